//! Languages of messages: their templates, and how they write times and money.
//!
//! To add one: a folder under `templates/`, a `const` here, an entry in [`Language::ALL`]. The
//! tests render every template of every language.

use chrono::{DateTime, Datelike as _, Timelike as _, Utc};
use chrono_tz::Tz;
use events::booking::ShowFacts;
use kernel::Money;

/// A language that messages are written in.
#[derive(Debug)]
pub struct Language {
    /// BCP 47 tag; also the folder of the templates.
    pub tag: &'static str,
    /// File name and source of each template.
    pub templates: &'static [(&'static str, &'static str)],
    /// Monday first.
    weekdays: [&'static str; 7],
    /// January first.
    months: [&'static str; 12],
    moment: fn(&Moment) -> String,
    /// Between each three digits of large amounts.
    group: char,
    /// Between major and minor units.
    decimal: char,
    /// How an amount and the code of its currency are put together.
    price: fn(amount: &str, code: &str) -> String,
}

/// A local time in words and numbers.
struct Moment {
    weekday: &'static str,
    day: u32,
    month: &'static str,
    year: i32,
    hour: u32,
    minute: u32,
}

macro_rules! templates {
    ($tag:literal: $($name:literal)*) => {
        &[$((
            concat!($tag, "/", $name),
            include_str!(concat!("../../templates/", $tag, "/", $name)),
        )),*]
    };
}

const ENGLISH: Language = Language {
    tag: "en",
    templates: templates!("en":
        "layout.html"
        "booking.confirmed.subject.txt" "booking.confirmed.txt" "booking.confirmed.html"
        "booking.cancelled.subject.txt" "booking.cancelled.txt" "booking.cancelled.html"
        "booking.refunded.subject.txt" "booking.refunded.txt" "booking.refunded.html"
    ),
    weekdays: ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    moment: |m| format!("{}, {} {} {}, {:02}:{:02}", m.weekday, m.day, m.month, m.year, m.hour, m.minute),
    group: ',',
    decimal: '.',
    price: |amount, code| format!("{code} {amount}"),
};

const GERMAN: Language = Language {
    tag: "de",
    templates: templates!("de":
        "layout.html"
        "booking.confirmed.subject.txt" "booking.confirmed.txt" "booking.confirmed.html"
        "booking.cancelled.subject.txt" "booking.cancelled.txt" "booking.cancelled.html"
        "booking.refunded.subject.txt" "booking.refunded.txt" "booking.refunded.html"
    ),
    weekdays: ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"],
    months: [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
    moment: |m| {
        format!("{}, {}. {} {}, {:02}:{:02} Uhr", m.weekday, m.day, m.month, m.year, m.hour, m.minute)
    },
    group: '.',
    decimal: ',',
    price: |amount, code| format!("{amount} {code}"),
};

impl Language {
    /// Every language; the first is for everyone whose own is not here.
    pub const ALL: [&'static Self; 2] = [&ENGLISH, &GERMAN];

    /// The best language for a person with this BCP 47 tag: the same tag, else the same language
    /// without script and region, else the default.
    pub fn best(tag: &str) -> &'static Self {
        let find = |tag: &str| Self::ALL.into_iter().find(|l| l.tag.eq_ignore_ascii_case(tag));
        let primary = tag.split('-').next().unwrap_or(tag);
        find(tag).or_else(|| find(primary)).unwrap_or(Self::ALL[0])
    }

    /// When a show begins, by the clock at the theater, with the zone: people book from elsewhere.
    pub fn show_time(&self, show: &ShowFacts) -> String {
        // A zone that we do not know is better shown in UTC than not at all.
        let zone: Tz = show.time_zone.parse().unwrap_or(Tz::UTC);
        format!("{} ({})", self.local_time(show.starts_at, zone), zone.name())
    }

    fn local_time(&self, time: DateTime<Utc>, zone: Tz) -> String {
        let local = time.with_timezone(&zone);
        (self.moment)(&Moment {
            weekday: self.weekdays[local.weekday().num_days_from_monday() as usize],
            day: local.day(),
            month: self.months[local.month0() as usize],
            year: local.year(),
            hour: local.hour(),
            minute: local.minute(),
        })
    }

    /// An amount, with the code of its currency: signs such as `$` mean several.
    pub fn money(&self, money: Money) -> String {
        let plain = money.amount().to_string();
        let (sign, plain) = plain.strip_prefix('-').map_or(("", &*plain), |rest| ("-", rest));
        let (major, minor) = plain.split_once('.').unwrap_or((plain, ""));
        let mut amount = sign.to_owned();
        for (index, digit) in major.char_indices() {
            if index > 0 && (major.len() - index).is_multiple_of(3) {
                amount.push(self.group);
            }
            amount.push(digit);
        }
        if !minor.is_empty() {
            amount.push(self.decimal);
            amount.push_str(minor);
        }
        (self.price)(&amount, money.currency().code())
    }
}

#[cfg(test)]
mod tests {
    use kernel::Currency;

    use super::*;

    fn show(starts_at: &str, time_zone: &str) -> ShowFacts {
        ShowFacts {
            title: String::new(),
            theater_name: String::new(),
            screen_name: String::new(),
            starts_at: starts_at.parse().unwrap(),
            time_zone: time_zone.to_owned(),
        }
    }

    #[test]
    fn a_tag_finds_the_nearest_language() {
        for (tag, expect) in
            [("en", "en"), ("en-GB", "en"), ("de-AT", "de"), ("DE", "de"), ("zh-Hant-TW", "en"), ("", "en")]
        {
            assert_eq!(Language::best(tag).tag, expect, "{tag}");
        }
    }

    #[test]
    fn times_are_those_of_the_theater() {
        let summer = show("2026-06-06T17:30:00Z", "Europe/Berlin");
        assert_eq!(Language::best("en").show_time(&summer), "Saturday, 6 June 2026, 19:30 (Europe/Berlin)");
        assert_eq!(
            Language::best("de").show_time(&summer),
            "Samstag, 6. Juni 2026, 19:30 Uhr (Europe/Berlin)"
        );
        // The day changes on the way to Kolkata.
        let late = show("2026-12-31T20:05:00Z", "Asia/Kolkata");
        assert_eq!(Language::best("en").show_time(&late), "Friday, 1 January 2027, 01:35 (Asia/Kolkata)");
        let unknown = show("2026-06-06T17:30:00Z", "Mars/Olympus");
        assert_eq!(Language::best("en").show_time(&unknown), "Saturday, 6 June 2026, 17:30 (UTC)");
    }

    #[test]
    fn amounts_have_the_marks_of_their_language() {
        for (minor, currency, english, german) in [
            (1_250, Currency::EUR, "EUR 12.50", "12,50 EUR"),
            (123_456_789, Currency::USD, "USD 1,234,567.89", "1.234.567,89 USD"),
            (100_000, Currency::JPY, "JPY 100,000", "100.000 JPY"),
            (-5, Currency::EUR, "EUR -0.05", "-0,05 EUR"),
        ] {
            let money = Money::new(minor, currency);
            assert_eq!(Language::best("en").money(money), english);
            assert_eq!(Language::best("de").money(money), german);
        }
    }
}
