//! QR codes (ISO/IEC 18004) as SVG.

use std::fmt::Write;

use qrcode::{
    Color, EcLevel,
    bits::encode_auto,
    canvas::{Canvas, MaskPattern},
    ec::construct_codewords,
    types::QrError,
};

/// Phones show tickets on clean screens: a seventh of the symbol may be unreadable.
const CORRECTION: EcLevel = EcLevel::M;
/// Any mask is valid, and trying out all of them costs far more than the rest. By the penalty points of
/// the standard (section 7.8.3) this one has 2 % more than the best of the eight, on average over a
/// thousand random texts of the form of ticket codes; the others have 7 % to 19 % more.
const MASK: MaskPattern = MaskPattern::VerticalLines;
/// Light modules around the symbol, which are part of it.
const QUIET: usize = 4;
/// Pixels of a module where nobody says otherwise.
const PIXELS: usize = 5;
/// More than a row needs.
const ROW_LENGTH: usize = 160;

/// The text does not fit into a QR code.
#[derive(Debug, thiserror::Error)]
#[error("too long for a QR code")]
pub struct TooLong(#[from] QrError);

/// `text` as an SVG image: dark on light, with its quiet zone, one path. The same text is the same
/// image to the byte; lines are short enough for mails.
///
/// # Errors
/// [`TooLong`] beyond some 2,300 bytes.
pub fn svg(text: &str) -> Result<String, TooLong> {
    let symbol = Symbol::of(text)?;
    let edge = symbol.width + 2 * QUIET;
    let pixels = edge * PIXELS;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{pixels}\" height=\"{pixels}\" \
         viewBox=\"0 0 {edge} {edge}\" shape-rendering=\"crispEdges\">\n\
         <rect width=\"{edge}\" height=\"{edge}\" fill=\"#fff\"/>\n<path stroke=\"#000\" d=\""
    );
    svg.reserve(symbol.width * ROW_LENGTH);
    for (y, row) in symbol.modules.chunks(symbol.width).enumerate() {
        draw_row(&mut svg, y, row);
    }
    svg.push_str("\"/>\n</svg>\n");
    Ok(svg)
}

/// A square of modules.
struct Symbol {
    width: usize,
    modules: Vec<Color>,
}

impl Symbol {
    fn of(text: &str) -> Result<Self, QrError> {
        let bits = encode_auto(text.as_bytes(), CORRECTION)?;
        let version = bits.version();
        let (data, correction) = construct_codewords(&bits.into_bytes(), version, CORRECTION)?;
        let mut canvas = Canvas::new(version, CORRECTION);
        canvas.draw_all_functional_patterns();
        canvas.draw_data(&data, &correction);
        canvas.apply_mask(MASK);
        Ok(Self { width: usize::from(version.width().unsigned_abs()), modules: canvas.into_colors() })
    }
}

/// Draws the dark modules of a row as strokes through their middle.
fn draw_row(svg: &mut String, y: usize, row: &[Color]) {
    let mut pen = None;
    let mut x = 0;
    for run in row.chunk_by(|one, other| one == other) {
        let end = x + run.len();
        if run[0] == Color::Dark {
            // Writing to a string cannot fail.
            let _ = match pen {
                None => write!(svg, "M{} {}.5h{}", QUIET + x, QUIET + y, run.len()),
                Some(pen) => write!(svg, "m{} 0h{}", x - pen, run.len()),
            };
            pen = Some(end);
        }
        x = end;
    }
    svg.push('\n');
}

#[cfg(test)]
mod tests;
