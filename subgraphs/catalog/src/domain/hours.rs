//! When a theater is open.

use std::ops::Range;

use chrono::{
    DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc, Weekday,
};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// One day, in local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayHours {
    /// When the doors open.
    #[serde(with = "clock_time")]
    pub opens: NaiveTime,
    /// When the last guest leaves; at or before `opens`, it is on the next day.
    #[serde(with = "clock_time")]
    pub closes: NaiveTime,
}

/// A week, Monday first; `None` on days when it stays closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OpeningHours([Option<DayHours>; 7]);

/// The text says no opening hours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` are no opening hours; write them as `Mon-Thu 12:00-00:30`")]
pub struct HoursError(String);

impl OpeningHours {
    /// Reads lines such as `Mon-Thu 12:00-00:30`; a later line wins over an earlier one.
    ///
    /// # Errors
    /// [`HoursError`] with the line that cannot be read.
    pub fn parse<'l>(lines: impl IntoIterator<Item = &'l str>) -> Result<Self, HoursError> {
        let mut week = [None; 7];
        for line in lines {
            let (days, hours) = parse_line(line).ok_or_else(|| HoursError(line.to_owned()))?;
            for day in days {
                week[day] = Some(hours);
            }
        }
        Ok(Self(week))
    }

    /// The hours of each day, Monday first.
    pub fn week(&self) -> impl Iterator<Item = (Weekday, Option<DayHours>)> {
        let monday = std::iter::successors(Some(Weekday::Mon), |day| Some(day.succ()));
        monday.zip(self.0)
    }

    /// From when to when it is open on `date`, which may end on the next day.
    pub fn span(&self, date: NaiveDate, zone: Tz) -> Option<Range<DateTime<Utc>>> {
        let day = self.0[date.weekday().num_days_from_monday() as usize]?;
        let last_day = if day.closes <= day.opens { date.checked_add_days(Days::new(1))? } else { date };
        Some(at_local(zone, date.and_time(day.opens))..at_local(zone, last_day.and_time(day.closes)))
    }
}

fn parse_line(line: &str) -> Option<(Range<usize>, DayHours)> {
    let (days, hours) = line.split_once(' ')?;
    let (first, last) = days.split_once('-').unwrap_or((days, days));
    let number = |day: &str| Some(day.parse::<Weekday>().ok()?.num_days_from_monday() as usize);
    let days = number(first)?..number(last)? + 1;
    let (opens, closes) = hours.split_once('-')?;
    let hours = DayHours { opens: clock_time::parse(opens)?, closes: clock_time::parse(closes)? };
    (!days.is_empty()).then_some((days, hours))
}

/// The moment when clocks in `zone` show `local`. When they show it twice (autumn), the first
/// time; when they skip it (spring), the moment an hour later by the old reckoning.
fn at_local(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    let found = zone.from_local_datetime(&local).earliest();
    let after_gap = || zone.from_local_datetime(&(local + TimeDelta::hours(1))).earliest();
    found.or_else(after_gap).map_or_else(|| local.and_utc(), |moment| moment.to_utc())
}

/// Times of day as `10:30`.
mod clock_time {
    use chrono::NaiveTime;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) const FORMAT: &str = "%H:%M";

    pub(super) fn parse(text: &str) -> Option<NaiveTime> {
        NaiveTime::parse_from_str(text, FORMAT).ok()
    }

    pub(super) fn serialize<S: Serializer>(time: &NaiveTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&time.format(FORMAT))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| de::Error::custom(format!("`{text}` is no time of day such as 10:30")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(lines: &[&str], date: &str, zone: Tz) -> Option<String> {
        let hours = OpeningHours::parse(lines.iter().copied()).unwrap();
        let span = hours.span(date.parse().unwrap(), zone)?;
        Some(format!("{} {}", span.start.format("%dT%H:%M"), span.end.format("%dT%H:%M")))
    }

    #[test]
    fn closing_after_midnight_is_on_the_next_day() {
        let lines = ["Mon-Sun 10:00-00:30", "Fri 10:00-23:00"];
        let check = |date, expected: &str| {
            assert_eq!(span(&lines, date, Tz::Asia__Tokyo).as_deref(), Some(expected), "{date}");
        };
        check("2026-11-26", "26T01:00 26T15:30");
        check("2026-11-27", "27T01:00 27T14:00");
    }

    #[test]
    fn a_day_of_the_clock_change_is_as_long_as_it_is() {
        // Clocks in Berlin went from 02:00 to 03:00 on 29 March 2026, and back on 25 October.
        let hours = ["Mon-Sun 01:30-02:30"];
        let zone = Tz::Europe__Berlin;
        assert_eq!(span(&hours, "2026-03-29", zone).as_deref(), Some("29T00:30 29T01:30"));
        assert_eq!(span(&hours, "2026-10-25", zone).as_deref(), Some("24T23:30 25T00:30"));
    }

    #[test]
    fn days_that_nobody_names_are_closed() {
        assert_eq!(span(&["Tue-Sun 10:00-23:00"], "2026-11-23", Tz::UTC), None);
    }

    #[test]
    fn text_that_is_no_hours_is_named() {
        for line in ["", "Mon", "Mon 10-12", "Sun-Mon 10:00-12:00", "Fun 10:00-12:00", "Mon 25:00-12:00"] {
            assert_eq!(OpeningHours::parse([line]).unwrap_err(), HoursError(line.to_owned()));
        }
    }

    #[test]
    fn hours_survive_their_stored_form() {
        let hours = OpeningHours::parse(["Mon-Sat 12:00-00:30"]).unwrap();
        let stored = serde_json::to_value(&hours).unwrap();
        assert_eq!(stored[0], serde_json::json!({"opens": "12:00", "closes": "00:30"}));
        assert!(stored[6].is_null());
        assert_eq!(serde_json::from_value::<OpeningHours>(stored).unwrap(), hours);
    }
}
