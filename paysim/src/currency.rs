//! Which currencies the provider takes, and the least and greatest amounts, after
//! <https://docs.stripe.com/currencies>.

use crate::error::StripeError;

/// Currency codes that can be charged.
const KNOWN: &str = "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bif bmd bnd bob brl \
    bsd bwp byn bzd cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp \
    gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr isk jmd jpy kes kgs khr kmf krw kyd kzt \
    lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr \
    nzd pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std \
    szl thb tjs top try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf xcd xof xpf yer zar zmw \
    bhd jod kwd omr tnd";

/// Currencies without a smaller unit.
const ZERO_DECIMAL: &str = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf";

/// Currencies with a thousandth as the smaller unit.
const THREE_DECIMAL: &str = "bhd jod kwd omr tnd";

/// Least amounts in the smallest unit, where they are not 50.
const LEAST: &[(&str, i64)] = &[
    ("aed", 200),
    ("bgn", 100),
    ("czk", 1_500),
    ("dkk", 250),
    ("gbp", 30),
    ("hkd", 400),
    ("huf", 17_500),
    ("mxn", 1_000),
    ("myr", 200),
    ("nok", 300),
    ("pln", 200),
    ("ron", 200),
    ("sek", 300),
    ("thb", 1_000),
];

/// Eight digits, whatever the currency.
const GREATEST: i64 = 99_999_999;

fn listed(list: &str, code: &str) -> bool {
    list.split_ascii_whitespace().any(|known| known == code)
}

/// Checks an amount and its currency; returns the code in lower case, as Stripe keeps it.
pub(crate) fn check(amount: i64, currency: &str) -> Result<String, StripeError> {
    let code = currency.to_ascii_lowercase();
    if !listed(KNOWN, &code) {
        return Err(StripeError::invalid("currency", format!("Invalid currency: {code}.")));
    }
    if amount < 1 {
        return Err(StripeError::invalid_code(
            "amount",
            "parameter_invalid_integer",
            "This value must be greater than or equal to 1.",
        ));
    }
    let least = LEAST.iter().find(|(known, _)| *known == code).map_or(50, |(_, least)| *least);
    if amount < least {
        return Err(StripeError::invalid_code(
            "amount",
            "amount_too_small",
            format!("Amount must be at least {}.", display(least, &code)),
        ));
    }
    if amount > GREATEST {
        return Err(StripeError::invalid_code(
            "amount",
            "amount_too_large",
            format!("Amount must be no more than {}.", display(GREATEST, &code)),
        ));
    }
    Ok(code)
}

/// An amount for people, as in `12.50 EUR`.
pub(crate) fn display(amount: i64, currency: &str) -> String {
    let places = if listed(ZERO_DECIMAL, currency) {
        0
    } else if listed(THREE_DECIMAL, currency) {
        3
    } else {
        2
    };
    let code = currency.to_ascii_uppercase();
    if places == 0 {
        return format!("{amount} {code}");
    }
    let unit = 10_i64.pow(places);
    let width = places as usize;
    format!("{}.{:0width$} {code}", amount / unit, amount % unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_code(amount: i64, currency: &str, expected: Option<&str>) {
        let answer = check(amount, currency);
        match expected {
            None => assert!(answer.is_ok(), "{amount} {currency}"),
            Some(part) => assert!(answer.unwrap_err().to_string().contains(part), "{amount} {currency}"),
        }
    }

    #[test]
    fn amounts_have_bounds_by_currency() {
        check_code(50, "EUR", None);
        check_code(49, "eur", Some("0.50 EUR"));
        check_code(30, "gbp", None);
        check_code(49, "jpy", Some("50 JPY"));
        check_code(0, "eur", Some("greater than or equal to 1"));
        check_code(99_999_999, "usd", None);
        check_code(100_000_000, "usd", Some("no more than"));
        check_code(1_000, "xxx", Some("Invalid currency: xxx"));
    }

    #[test]
    fn amounts_read_well() {
        assert_eq!(display(1250, "eur"), "12.50 EUR");
        assert_eq!(display(1250, "jpy"), "1250 JPY");
        assert_eq!(display(1250, "kwd"), "1.250 KWD");
        assert_eq!(display(5, "usd"), "0.05 USD");
    }
}
