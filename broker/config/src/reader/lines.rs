//! Turns byte offsets into lines and columns.

use crate::Place;

/// Where each line of a text begins.
pub(crate) struct Lines {
    text: String,
    starts: Vec<usize>,
}

impl Lines {
    pub(crate) fn new(text: &str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text: text.to_owned(), starts }
    }

    /// The place of a byte offset, both from 1.
    pub(crate) fn place(&self, offset: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line - 1];
        let before = self.text.get(start..offset).map_or(0, |text| text.chars().count());
        Place::Line { line, column: before + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let lines = Lines::new("a = 1\nü = 2\n");
        assert_eq!(lines.place(0), Place::Line { line: 1, column: 1 });
        assert_eq!(lines.place(9), Place::Line { line: 2, column: 3 });
        assert_eq!(lines.place(99), Place::Line { line: 3, column: 1 });
    }
}
