//! Plain aligned tables: no frames, so that they can be read, cut and grepped.

use comfy_table::{CellAlignment, presets};

/// Rows under a heading. Columns whose cells are all numbers are aligned to the right.
pub(crate) struct Table {
    inner: comfy_table::Table,
    columns: usize,
}

impl Table {
    /// A table with a heading for each column.
    pub(crate) fn new(headings: &[&str]) -> Self {
        let mut inner = comfy_table::Table::new();
        inner.load_style(presets::NOTHING);
        inner.set_header(headings.iter().map(|heading| heading.to_uppercase()));
        for column in inner.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Self { inner, columns: headings.len() }
    }

    /// Adds a row; as many cells as there are headings.
    pub(crate) fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        assert_eq!(cells.len(), self.columns, "invariant: a cell for each heading");
        self.inner.add_row(cells);
    }

    /// The lines, the headings first.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let mut table = self.inner.clone();
        for index in 0..self.columns {
            let numbers = table.column_cells_iter(index).flatten().all(|cell| is_number(&cell.content()));
            if let Some(column) = table.column_mut(index).filter(|_| numbers) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        lines.into_iter()
    }
}

/// Whether a cell holds a figure, possibly with a sign, a currency or a unit: `$0.25`, `3/1000`, `12.5 ms`.
fn is_number(cell: &str) -> bool {
    let text = cell.trim_start_matches(['$', '-', '+']);
    let figure = text.split([' ', '/']).next().unwrap_or_default();
    figure.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_told_from_names() {
        for figure in ["", "-", "12", "$0.25", "-$1", "+4.1 %", "3/1000", "12.5 ms", "$0.1 (estimated)"] {
            assert!(is_number(figure), "{figure}");
        }
        for name in ["1e33bf71cf52c4f4", "2026-11-21T12:00:00Z", "x86_64", "aws", "25.0% off"] {
            assert!(!is_number(name), "{name}");
        }
    }
}
