//! Days and months of UTC, by arithmetic alone.

use std::{fmt, str::FromStr};

use yard_types::Timestamp;

const MILLISECONDS_PER_DAY: i64 = 86_400_000;

/// A day of UTC, counted from 1970-01-01. Written and read as `2026-01-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcDay(i64);

/// The text is not a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a day is written as year, month and day, such as 2026-01-31")]
pub struct UtcDayError;

impl UtcDay {
    /// The first day that can be written.
    pub const MIN: Self = Self(-719_528);
    /// The last day that can be written.
    pub const MAX: Self = Self(2_932_896);

    /// The day of a moment.
    pub const fn of(moment: Timestamp) -> Self {
        let day = moment.0.div_euclid(MILLISECONDS_PER_DAY);
        if day < Self::MIN.0 {
            Self::MIN
        } else if day > Self::MAX.0 {
            Self::MAX
        } else {
            Self(day)
        }
    }

    /// The day this many days after 1970-01-01, as [`UtcDay::number`] gives it; `None` beyond the years 0 to 9999.
    pub const fn from_number(number: i64) -> Option<Self> {
        if Self::MIN.0 <= number && number <= Self::MAX.0 { Some(Self(number)) } else { None }
    }

    /// Days since 1970-01-01.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The first day of its month.
    pub const fn first_of_month(self) -> Self {
        let (year, month, _) = self.civil();
        Self(days_before(year, month, 1))
    }

    /// The moment at which the next day begins.
    pub(crate) const fn end(self) -> Timestamp {
        Timestamp((self.0 + 1) * MILLISECONDS_PER_DAY)
    }

    /// The moment at which the next month begins.
    pub(crate) const fn end_of_month(self) -> Timestamp {
        let (year, month, _) = self.civil();
        let (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        Timestamp(days_before(year, month, 1) * MILLISECONDS_PER_DAY)
    }

    /// Year, month and day. Years are counted from March, so that the leap day is the last day of its year; 400 years
    /// have 146,097 days.
    const fn civil(self) -> (i64, i64, i64) {
        let shifted = self.0 + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400;
        (if month <= 2 { year + 1 } else { year }, month, day)
    }
}

/// Days from 1970-01-01 to this date.
const fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let year_of_era = year.rem_euclid(400);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    year.div_euclid(400) * 146_097 + day_of_era - 719_468
}

impl fmt::Display for UtcDay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(formatter, "{year:04}-{month:02}-{day:02}")
    }
}

impl FromStr for UtcDay {
    type Err = UtcDayError;

    fn from_str(text: &str) -> Result<Self, UtcDayError> {
        let bytes = text.as_bytes();
        let has_form = bytes.len() == 10
            && bytes.iter().enumerate().all(|(place, byte)| match place {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if !has_form {
            return Err(UtcDayError);
        }
        let number = |text: &str| text.parse::<i64>().map_err(|_| UtcDayError);
        let date = (number(&text[..4])?, number(&text[5..7])?, number(&text[8..])?);
        let day = Self(days_before(date.0, date.1, date.2));
        // A date that is not there, such as 30 February, would come out as another.
        if (1..=12).contains(&date.1) && day.civil() == date { Ok(day) } else { Err(UtcDayError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_and_read_back() {
        let known = [(0, "1970-01-01"), (-1, "1969-12-31"), (19_782, "2024-02-29"), (20_454, "2026-01-01")];
        for (number, text) in known {
            let day = UtcDay::from_number(number).unwrap();
            assert_eq!(day.to_string(), text);
            assert_eq!(text.parse(), Ok(day));
        }
        assert_eq!(UtcDay::MIN.to_string(), "0000-01-01");
        assert_eq!(UtcDay::MAX.to_string(), "9999-12-31");
        for number in (UtcDay::MIN.0..=UtcDay::MAX.0).step_by(97) {
            assert_eq!(UtcDay(number).to_string().parse(), Ok(UtcDay(number)));
        }
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in [
            "",
            "2026-1-1",
            "2026-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "2026/01/01",
            "+026-01-01",
        ] {
            assert_eq!(text.parse::<UtcDay>(), Err(UtcDayError), "{text}");
        }
    }

    #[test]
    fn a_moment_has_its_day_and_the_ends_of_day_and_month() {
        let noon = Timestamp(19_782 * MILLISECONDS_PER_DAY + 43_200_000);
        let day = UtcDay::of(noon);
        assert_eq!(day.to_string(), "2024-02-29");
        assert_eq!(day.first_of_month().to_string(), "2024-02-01");
        assert_eq!(UtcDay::of(day.end()).to_string(), "2024-03-01");
        assert_eq!(UtcDay::of(day.end_of_month()).to_string(), "2024-03-01");
        let december: UtcDay = "2025-12-05".parse().unwrap();
        assert_eq!(UtcDay::of(december.end_of_month()).to_string(), "2026-01-01");
        assert_eq!(UtcDay::of(Timestamp(-1)).to_string(), "1969-12-31");
        assert_eq!(UtcDay::of(Timestamp(i64::MIN)), UtcDay::MIN);
        assert_eq!(UtcDay::of(Timestamp(i64::MAX)), UtcDay::MAX);
    }
}
