use rqrr::PreparedImage;

use super::*;

/// As long as a ticket's, and as much without a pattern.
fn code(seed: u32) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = seed;
    let mut letters = |count: usize| -> String {
        let letter = |_| {
            // Numerical Recipes, chapter 7.1.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(LETTERS[(state >> 26) as usize])
        };
        (0..count).map(letter).collect()
    };
    format!("M1.{}.{}", letters(54), letters(86))
}

/// The dark modules of an image, and how many there are to an edge.
fn drawn(svg: &str) -> (Vec<bool>, usize) {
    let attribute = |name: &str| {
        let (_, rest) = svg.split_once(&format!(" {name}=\"")).unwrap();
        rest.split_once('"').unwrap().0
    };
    let edge: usize = attribute("viewBox").rsplit(' ').next().unwrap().parse().unwrap();
    let mut dark = vec![false; edge * edge];
    for row in attribute("d").lines() {
        let (start, runs) = row.strip_prefix('M').unwrap().split_once('h').unwrap();
        let (x, y) = start.split_once(' ').unwrap();
        let y: usize = y.strip_suffix(".5").unwrap().parse().unwrap();
        let mut x: usize = x.parse().unwrap();
        for run in runs.split('m') {
            let (gap, run) = run.split_once(" 0h").unwrap_or(("0", run));
            x += gap.parse::<usize>().unwrap();
            for _ in 0..run.parse().unwrap() {
                dark[y * edge + x] = true;
                x += 1;
            }
        }
    }
    (dark, edge)
}

/// What a scanner reads.
fn read(svg: &str) -> String {
    const PIXELS: usize = 3;
    let (dark, edge) = drawn(svg);
    let look = |x: usize, y: usize| dark[y / PIXELS * edge + x / PIXELS];
    let mut image = PreparedImage::prepare_from_bitmap(edge * PIXELS, edge * PIXELS, look);
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1);
    grids[0].decode().unwrap().1
}

#[test]
fn a_reader_reads_what_was_written() {
    for seed in 0..50 {
        let code = code(seed);
        assert_eq!(read(&svg(&code).unwrap()), code);
    }
    for text in ["", "M", "HTTPS://EXAMPLE.ORG/0123456789", "Grüße", &"long ".repeat(200)] {
        assert_eq!(read(&svg(text).unwrap()), text);
    }
}

#[test]
fn an_image_is_plain_text_in_short_lines() {
    let image = svg(&code(1)).unwrap();
    assert_eq!(image, svg(&code(1)).unwrap());
    assert!(image.is_ascii() && image.len() < 5_000, "{}", image.len());
    // RFC 5322, section 2.1.1; longer ones would have to be encoded.
    assert!(image.lines().all(|line| line.len() < 998));
    assert!(image.starts_with("<svg ") && image.ends_with("</svg>\n"));
    assert_eq!(image.matches("<path").count(), 1);
}

#[test]
fn what_does_not_fit_is_refused() {
    assert!(svg(&"x".repeat(2_331)).is_ok());
    assert!(svg(&"x".repeat(2_332)).is_err());
}
