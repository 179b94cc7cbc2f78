//! Puts a notice into words.

use minijinja::{Environment, UndefinedBehavior, Value, context};

use crate::domain::{Language, Notice};

/// Subject and two equivalent bodies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// The templates of all languages.
pub(crate) struct Renderer {
    templates: Environment<'static>,
    /// Without a slash at its end.
    base_url: String,
}

impl Renderer {
    /// The templates, which link to `base_url`.
    pub(crate) fn new(base_url: &str) -> Result<Self, minijinja::Error> {
        let mut templates = Environment::new();
        // A variable that a template misspells is an error, found by the test that renders all.
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        for language in Language::ALL {
            for (name, source) in language.templates {
                templates.add_template(name, source)?;
            }
        }
        Ok(Self { templates, base_url: base_url.trim_end_matches('/').to_owned() })
    }

    /// The notice in `language`, to a person called `name`.
    pub(crate) fn render(
        &self,
        notice: &Notice,
        language: &Language,
        name: &str,
    ) -> Result<Rendered, minijinja::Error> {
        let facts = self.facts(notice, language, name);
        let part = |suffix: &str| {
            let template = format!("{}/{}.{suffix}", language.tag, notice.kind());
            self.templates.get_template(&template)?.render(facts.clone())
        };
        let subject = part("subject.txt")?;
        Ok(Rendered { subject: one_line(&subject), text: part("txt")?, html: part("html")? })
    }

    /// What templates can say.
    fn facts(&self, notice: &Notice, language: &Language, name: &str) -> Value {
        let (booking, show) = (notice.booking(), notice.show());
        let seats: Vec<Value> = booking
            .seats
            .iter()
            .map(|seat| {
                context! { label => seat.label.as_str(), price => language.money(seat.price) }
            })
            .collect();
        let labels: Vec<&str> = booking.seats.iter().map(|seat| &*seat.label).collect();
        let tickets: Vec<Value> = match notice {
            Notice::Confirmed(event) => event
                .tickets
                .iter()
                .map(|ticket| {
                    context! {
                        seat => ticket.seat_label.as_str(),
                        code => ticket.code.as_str(),
                        file => ticket_file(&ticket.seat_label),
                    }
                })
                .collect(),
            Notice::Cancelled(_) | Notice::Refunded(_) => Vec::new(),
        };
        let replaced = match notice {
            Notice::Confirmed(event) => event.replaced.join(", "),
            Notice::Cancelled(_) | Notice::Refunded(_) => String::new(),
        };
        let refund = match notice {
            Notice::Confirmed(_) => None,
            Notice::Cancelled(event) => event.refund,
            Notice::Refunded(event) => Some(event.refund),
        };
        context! {
            name => name,
            reference => booking.reference.as_str(),
            title => show.title.as_str(),
            theater => show.theater_name.as_str(),
            screen => show.screen_name.as_str(),
            when => language.show_time(show),
            seats => seats,
            labels => labels.join(", "),
            total => language.money(booking.total),
            tickets => tickets,
            replaced => replaced,
            refund => refund.map(|money| language.money(money)),
            cause => notice.cause(),
            url => format!("{}/bookings/{}", self.base_url, booking.booking_id),
        }
    }
}

/// `text` as it can stand in a header: on one line, without control characters. What people typed
/// was checked elsewhere, but a header must never depend on that.
pub(crate) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The name of the attachment with the ticket for this seat.
pub(crate) fn ticket_file(seat_label: &str) -> String {
    let safe: String = seat_label.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("ticket-{safe}.svg")
}

#[cfg(test)]
mod tests {
    use events::booking::{BookingConfirmed, RefundCause};

    use super::*;
    use crate::app::sample;

    const CAUSES: [RefundCause; 4] = [
        RefundCause::Cancelled,
        RefundCause::ShowCancelled,
        RefundCause::LatePayment,
        RefundCause::UnexpectedPayment,
    ];

    fn renderer() -> Renderer {
        Renderer::new("https://marquee.example/").unwrap()
    }

    /// Tickets for other seats than were booked.
    fn moved() -> Notice {
        let replaced = vec!["C1".to_owned(), "C<2".to_owned()];
        Notice::Confirmed(BookingConfirmed { replaced, ..sample::confirmed(sample::user(1)) })
    }

    fn english(notice: &Notice) -> Rendered {
        renderer().render(notice, Language::best("en"), "Ada & <Co>").unwrap()
    }

    #[test]
    fn every_template_of_every_language_says_all_it_should() {
        let user = sample::user(1);
        let mut notices = vec![Notice::Confirmed(sample::confirmed(user)), moved()];
        for cause in CAUSES {
            notices.push(Notice::Refunded(sample::refunded(user, cause)));
            for refund in [None, Some(1_250)] {
                notices.push(Notice::Cancelled(sample::cancelled(user, cause, refund)));
            }
        }
        for language in Language::ALL {
            for notice in &notices {
                let rendered = renderer().render(notice, language, "Ada").unwrap();
                let url = format!("https://marquee.example/bookings/{}", notice.booking().booking_id);
                let when = language.show_time(notice.show());
                assert!(rendered.subject.contains("MQ-7F3K"), "{}", rendered.subject);
                // The escape of a slash is valid in HTML and unreadable here.
                let html = rendered.html.replace("&#x2f;", "/");
                for body in [&rendered.text, &html] {
                    for part in ["Ada", "MQ-7F3K", "Gartenbaukino", "Saal 1", &url, &when] {
                        assert!(body.contains(part), "{} {}: {part}", language.tag, notice.kind());
                    }
                    assert!(!body.contains("{{") && !body.contains("{%"), "{body}");
                }
            }
        }
    }

    #[test]
    fn tickets_come_with_their_codes_as_text() {
        let confirmed = sample::confirmed(sample::user(1));
        let codes: Vec<_> = confirmed.tickets.iter().map(|ticket| ticket.code.clone()).collect();
        let rendered = english(&Notice::Confirmed(confirmed));
        for code in &codes {
            assert!(rendered.text.contains(code) && rendered.html.contains(code));
        }
        insta::assert_snapshot!(rendered.text);
    }

    #[test]
    fn who_gets_other_seats_is_told_which_and_instead_of_which() {
        let plain = Notice::Confirmed(sample::confirmed(sample::user(1)));
        let moved = moved();
        for (tag, words) in [("en", "as you agreed"), ("de", "wie mit Ihnen vereinbart")] {
            let render = |notice| renderer().render(notice, Language::best(tag), "Ada").unwrap();
            let (told, not) = (render(&moved), render(&plain));
            assert!(told.text.contains("C1, C<2") && told.text.contains("A5, A6"), "{}", told.text);
            assert!(told.html.contains("C1, C&lt;2") && told.html.contains("A5, A6"), "{}", told.html);
            for (told, not) in [(&told.text, &not.text), (&told.html, &not.html)] {
                assert!(told.replace('\n', " ").contains(words) && !not.replace('\n', " ").contains(words));
            }
        }
        insta::assert_snapshot!(english(&moved).text);
    }

    #[test]
    fn what_people_typed_is_no_markup() {
        let notice = Notice::Confirmed(sample::confirmed(sample::user(1)));
        let rendered = english(&notice);
        assert!(rendered.html.contains("Frühling &lt;in&gt; Wien &amp; Graz"));
        assert!(rendered.html.contains("Ada &amp; &lt;Co&gt;"));
        assert!(rendered.text.contains("Frühling <in> Wien & Graz"));
    }

    #[test]
    fn a_subject_is_one_line_whatever_the_title() {
        let mut confirmed = sample::confirmed(sample::user(1));
        confirmed.show.title = "One\r\n\0Bcc: everyone@example.com".to_owned();
        let rendered = english(&Notice::Confirmed(confirmed));
        assert_eq!(rendered.subject, "Your tickets for One Bcc: everyone@example.com (MQ-7F3K)");
    }

    #[test]
    fn the_cause_of_a_refund_is_told() {
        let texts =
            CAUSES.map(|cause| english(&Notice::Refunded(sample::refunded(sample::user(1), cause))).text);
        for (text, part) in texts.iter().zip([
            "you cancelled your booking",
            "was cancelled",
            "the seats were\ngone",
            "more money than it costs",
        ]) {
            assert!(text.contains(part), "{text}");
            assert!(text.contains("EUR 1,234.50"), "{text}");
        }
    }

    #[test]
    fn labels_become_safe_file_names() {
        assert_eq!(ticket_file("A5"), "ticket-A5.svg");
        assert_eq!(ticket_file("../Ä 5"), "ticket------5.svg");
    }
}
