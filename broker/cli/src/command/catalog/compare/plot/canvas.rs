//! The sheet of paper: where things are put in pixels, in which colours, and how labels keep out of each other's way.
//!
//! Known limitation: the width of a text is guessed, for an SVG is measured only where it is shown.

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Rectangle, Text};
use plotters::prelude::SVGBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, ShapeStyle, TextStyle};

pub(super) type Colour = RGBColor;

const WIDTH: u32 = 1280;
const HEIGHT: u32 = 760;
/// The frame of the lines.
pub(super) const LEFT: i32 = 96;
pub(super) const RIGHT: i32 = 1010;
pub(super) const TOP: i32 = 132;
pub(super) const BOTTOM: i32 = 640;
/// Where what costs nothing lies.
pub(super) const FLOOR: i32 = 668;
/// The strip that says who is cheapest.
const STRIP: (i32, i32) = (96, 120);

const INK: Colour = RGBColor(32, 36, 44);
const FAINT: Colour = RGBColor(106, 114, 128);
const GRID: Colour = RGBColor(214, 219, 227);
const THIN: Colour = RGBColor(238, 241, 245);
const PAPER: Colour = RGBColor(255, 255, 255);
const LABEL_HEIGHT: i32 = 20;
/// Of a letter of 13 pixels, on the average.
const LETTER: i32 = 7;

/// Ten colours that are told apart by most eyes and in greys (Okabe and Ito's, darkened where thin lines need it).
const COLOURS: [Colour; 10] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 138, 104),
    RGBColor(190, 90, 150),
    RGBColor(200, 140, 0),
    RGBColor(70, 160, 215),
    RGBColor(90, 90, 90),
    RGBColor(120, 60, 170),
    RGBColor(150, 30, 40),
    RGBColor(110, 130, 20),
];

/// Where lines lie at the foot, one after the other: as many as there is room for, and then the middle again.
pub(super) fn lanes() -> std::iter::Peekable<impl Iterator<Item = i32>> {
    [-8, -4, 0, 4, 8].into_iter().chain(std::iter::repeat(0)).map(|lane| FLOOR + lane).peekable()
}

/// The colour of the line with this number.
pub(super) fn colour(number: usize) -> Colour {
    COLOURS[number % COLOURS.len()]
}

/// A picture under way. Drawing into a text can't fail, so nothing here does.
pub(super) struct Canvas {
    drawn: Vec<Drawn>,
}

enum Drawn {
    Path(Vec<(i32, i32)>, ShapeStyle),
    Box((i32, i32), (i32, i32), Colour),
    Dot((i32, i32), Colour),
    Text(String, (i32, i32), i32, Colour, HPos),
}

impl Canvas {
    pub(super) fn new() -> Self {
        let page = (i32::try_from(WIDTH).unwrap_or(i32::MAX), i32::try_from(HEIGHT).unwrap_or(i32::MAX));
        Self { drawn: vec![Drawn::Box((0, 0), page, PAPER)] }
    }

    fn text(&mut self, text: &str, at: (i32, i32), height: i32, colour: Colour, side: HPos) {
        self.drawn.push(Drawn::Text(text.to_owned(), at, height, colour, side));
    }

    fn path(&mut self, points: Vec<(i32, i32)>, colour: Colour, width: u32) {
        self.drawn.push(Drawn::Path(points, colour.stroke_width(width)));
    }

    pub(super) fn title(&mut self, title: &str, under: &str) {
        self.text(title, (LEFT, 36), 24, INK, HPos::Left);
        self.text(under, (LEFT, 64), 14, FAINT, HPos::Left);
        self.text("cheapest", (LEFT - 12, i32::midpoint(STRIP.0, STRIP.1)), 13, FAINT, HPos::Right);
    }

    pub(super) fn column(&mut self, x: i32, whole: bool, text: &str) {
        self.path(vec![(x, TOP), (x, FLOOR + 10)], if whole { GRID } else { THIN }, 1);
        self.text(text, (x, FLOOR + 26), 13, if whole { INK } else { FAINT }, HPos::Center);
    }

    pub(super) fn row(&mut self, y: i32, whole: bool, text: &str) {
        self.path(vec![(LEFT, y), (RIGHT, y)], if whole { GRID } else { THIN }, 1);
        self.text(text, (LEFT - 12, y), 13, INK, HPos::Right);
    }

    /// The line of what costs nothing.
    pub(super) fn foot(&mut self, text: &str) {
        self.drawn.push(Drawn::Box((LEFT, FLOOR - 11), (RIGHT, FLOOR + 11), RGBColor(246, 248, 250)));
        self.text(text, (LEFT + 8, FLOOR - 19), 12, FAINT, HPos::Left);
        self.text("$0", (LEFT - 12, FLOOR), 13, INK, HPos::Right);
    }

    pub(super) fn axis_names(&mut self, across: &str, up: &str) {
        self.text(across, (i32::midpoint(LEFT, RIGHT), FLOOR + 56), 14, FAINT, HPos::Center);
        self.text(up, (LEFT - 12, TOP - 2 - LABEL_HEIGHT / 4 + 24), 13, FAINT, HPos::Right);
    }

    /// The duration that was asked for.
    pub(super) fn mark(&mut self, x: i32, text: &str) {
        for y in (TOP..FLOOR + 10).step_by(9) {
            self.path(vec![(x, y), (x, (y + 4).min(FLOOR + 10))], FAINT, 1);
        }
        self.text(&format!("asked: {text}"), (x + 6, TOP + 12), 12, FAINT, HPos::Left);
    }

    pub(super) fn line(&mut self, points: Vec<(i32, i32)>, colour: Colour) {
        self.path(points, colour, 3);
    }

    /// Names at the ends of the lines, moved apart as far as they have to be.
    pub(super) fn labels(&mut self, mut ends: Vec<(i32, &str, Colour)>) {
        ends.sort_by_key(|(y, ..)| *y);
        let wanted: Vec<i32> = ends.iter().map(|(y, ..)| *y).collect();
        for ((end, name, colour), y) in ends.into_iter().zip(apart(&wanted)) {
            self.path(vec![(RIGHT + 2, end), (RIGHT + 14, y), (RIGHT + 20, y)], colour, 1);
            self.text(name, (RIGHT + 24, y), 13, colour, HPos::Left);
        }
    }

    /// Who is cheapest from here to there; the name where it has room.
    pub(super) fn cheapest(&mut self, from: i32, to: i32, name: &str, colour: Colour) {
        self.drawn.push(Drawn::Box((from, STRIP.0), (to, STRIP.1), colour));
        let short = name.split('/').next().unwrap_or(name);
        let fits = |text: &str| i32::try_from(text.len()).unwrap_or(i32::MAX).saturating_mul(LETTER) + 12 < to - from;
        if let Some(text) = [name, short].into_iter().find(|text| fits(text)) {
            self.text(text, (i32::midpoint(from, to), i32::midpoint(STRIP.0, STRIP.1)), 13, PAPER, HPos::Center);
        }
    }

    /// Where another one becomes the cheapest.
    pub(super) fn crossover(&mut self, x: i32, y: i32, text: &str) {
        self.path(vec![(x, STRIP.0), (x, STRIP.1 + 6)], PAPER, 2);
        self.drawn.push(Drawn::Dot((x, y), INK));
        self.text(text, (x, STRIP.0 - 10), 12, INK, HPos::Center);
    }

    /// The picture as a text.
    pub(super) fn finish(self) -> String {
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
            self.drawn.iter().for_each(|drawn| drawn.draw(&area));
            area.present().expect("invariant: a text can be written to");
        }
        svg
    }
}

impl Drawn {
    fn draw(&self, area: &DrawingArea<SVGBackend<'_>, Shift>) {
        let done = match self {
            Self::Path(points, style) => area.draw(&PathElement::new(points.clone(), *style)),
            Self::Box(from, to, colour) => area.draw(&Rectangle::new([*from, *to], colour.filled())),
            Self::Dot(at, colour) => area.draw(&Circle::new(*at, 4, colour.filled())),
            Self::Text(text, at, height, colour, side) => {
                let style = TextStyle::from(("sans-serif", *height).into_font()).color(colour);
                area.draw(&Text::new(text.as_str(), *at, style.pos(Pos::new(*side, VPos::Center))))
            }
        };
        done.expect("invariant: a text can be written to");
    }
}

/// The places nearest to the wanted ones, which ascend, that are a label apart: first pushed down, and then, where they
/// reach beyond the picture, back up.
fn apart(wanted: &[i32]) -> Vec<i32> {
    let mut places = wanted.to_vec();
    for index in 1..places.len() {
        places[index] = places[index].max(places[index - 1] + LABEL_HEIGHT);
    }
    let mut below = FLOOR + 2 * LABEL_HEIGHT;
    for place in places.iter_mut().rev() {
        *place = (*place).min(below);
        below = *place - LABEL_HEIGHT;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_apart_and_in_the_picture() {
        assert_eq!(apart(&[100, 200, 300]), [100, 200, 300]);
        assert_eq!(apart(&[100, 101, 102]), [100, 120, 140]);
        let crowd = apart(&[FLOOR; 6]);
        assert!(crowd.windows(2).all(|pair| pair[1] - pair[0] >= LABEL_HEIGHT), "{crowd:?}");
        assert!(crowd.iter().all(|place| *place <= FLOOR + 2 * LABEL_HEIGHT), "{crowd:?}");
    }
}
