//! Charts as SVG, readable on light and dark pages.

use super::{markdown::number, scale::Scale};
use crate::measure::{Curve, Goal, Outcome};

const WIDTH: f64 = 760.0;
const ROW: f64 = 34.0;
/// Where the bars begin.
const NAMES: f64 = 190.0;
const STYLE: &str = "<style>text{font:13px system-ui,sans-serif;fill:#777}.ours{fill:#3b82f6}.ok{fill:#16a34a}\
.no{fill:#dc2626}.goal,.axis{stroke:#777;stroke-width:1;fill:none}.goal{stroke-dasharray:4 3}\
.line{stroke:#3b82f6;stroke-width:2;fill:none}</style>";

fn svg(height: f64, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\">{STYLE}\n{body}</svg>\n"
    )
}

fn text(x: f64, y: f64, anchor: &str, text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>\n")
}

/// The ratio of each scenario as a bar, its spread as a line, its goal as a dashed one.
pub fn ratios<'o>(outcomes: impl Iterator<Item = &'o Outcome>) -> String {
    let rows: Vec<_> = outcomes.filter_map(|outcome| Some((outcome, outcome.ratio()?))).collect();
    let goals = rows.iter().filter_map(|(outcome, _)| least(outcome));
    let scale = Scale::from_zero(
        rows.iter().map(|(_, ratio)| ratio.most.min(2.0)).chain(goals),
        (NAMES, WIDTH - 60.0),
    );
    let mut body = String::new();
    for (row, (outcome, ratio)) in rows.iter().enumerate() {
        let top = 10.0 + ROW * row as f64;
        let (zero, end) = (scale.place(0.0), scale.place(ratio.median));
        let class = match outcome.reached() {
            Some(true) => "ok",
            Some(false) => "no",
            None => "ours",
        };
        body += &text(NAMES - 8.0, top + 16.0, "end", &outcome.name);
        body += &format!(
            "<rect class=\"{class}\" x=\"{zero:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"16\"/>\n",
            top + 3.0,
            end - zero
        );
        body += &format!(
            "<path class=\"axis\" d=\"M{:.1} {:.1}H{:.1}\"/>\n",
            scale.place(ratio.least),
            top + 11.0,
            scale.place(ratio.most)
        );
        body += &text(
            scale.place(ratio.most).max(end) + 6.0,
            top + 16.0,
            "start",
            &format!("{:.2}", ratio.median),
        );
        if let Some(goal) = least(outcome) {
            body += &format!("<path class=\"goal\" d=\"M{:.1} {top:.1}v22\"/>\n", scale.place(goal));
        }
    }
    svg(20.0 + ROW * rows.len() as f64, &body)
}

const fn least(outcome: &Outcome) -> Option<f64> {
    match outcome.goal {
        Some(Goal::Ratio(least)) => Some(least),
        _ => None,
    }
}

/// The file of a curve.
pub fn file_name(curve: &str) -> String {
    let name: String = curve.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("{}.svg", name.to_ascii_lowercase())
}

/// A chart for each curve, with its file name.
pub fn curves(outcome: &Outcome) -> impl Iterator<Item = (String, String)> {
    outcome.curves.iter().filter(|curve| !curve.points.is_empty()).map(|c| (file_name(&c.name), curve(c)))
}

fn curve(curve: &Curve) -> String {
    const HEIGHT: f64 = 300.0;
    let (left, right, top, bottom) = (80.0, WIDTH - 30.0, 34.0, HEIGHT - 46.0);
    let xs = Scale::fitting(curve.points.iter().map(|point| point.x), (left, right));
    let ys = Scale::from_zero(curve.points.iter().map(|point| point.y), (bottom, top));
    let mut body = text(left, 20.0, "start", &format!("{}: {}", curve.name, curve.y));
    body += &text(right, HEIGHT - 8.0, "end", &curve.x);
    body += &format!("<path class=\"axis\" d=\"M{left} {top}V{bottom}H{right}\"/>\n");
    for tick in xs.ticks() {
        body += &text(xs.place(tick), bottom + 18.0, "middle", &number(tick));
    }
    for tick in ys.ticks() {
        body += &text(left - 6.0, ys.place(tick) + 4.0, "end", &number(tick));
    }
    let places: Vec<String> = curve
        .points
        .iter()
        .map(|point| format!("{:.1},{:.1}", xs.place(point.x), ys.place(point.y)))
        .collect();
    body += &format!("<polyline class=\"line\" points=\"{}\"/>\n", places.join(" "));
    if curve.points.len() <= 20 {
        for point in &curve.points {
            let (x, y) = (xs.place(point.x), ys.place(point.y));
            body += &format!("<circle class=\"ours\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>\n");
            body += &text(x, y - 8.0, "middle", &number(point.y));
        }
    }
    svg(HEIGHT, &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Point;

    #[test]
    fn a_curve_becomes_a_chart() {
        let points = vec![Point { x: 100.0, y: 3.0 }, Point { x: 10_000.0, y: 4.0 }];
        let curve = Curve { name: "Cost of x".to_owned(), x: "x".to_owned(), y: "µs".to_owned(), points };
        assert_eq!(file_name(&curve.name), "cost-of-x.svg");
        let chart = super::curve(&curve);
        assert!(chart.starts_with("<svg") && chart.ends_with("</svg>\n"));
        assert_eq!(chart.matches("<circle").count(), 2);
    }
}
