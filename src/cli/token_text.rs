//! Tokens as a table for a terminal.

use std::fmt::Write as _;

use crate::app::administration::ListedToken;
use crate::cli::explanation_text::visible;

const HEADS: [&str; 8] =
    ["SERIAL", "TYPE", "USER", "REALM", "STATE", "FAILURES", "LAST USE", "DESCRIPTION"];

/// A line a token, under a line of heads.
#[must_use]
pub fn table(tokens: &[ListedToken]) -> String {
    let rows: Vec<_> = tokens.iter().map(row).collect();
    aligned(HEADS, &rows)
}

/// Columns as wide as they have to be; the last one is not filled up.
#[must_use]
pub fn aligned<const N: usize>(heads: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heads.map(|head| head.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let heads = heads.map(str::to_owned);
    for row in std::iter::once(&heads).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Writing to a text does not fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        text.extend([line.trim_end(), "\n"]);
    }
    text
}

fn row(token: &ListedToken) -> [String; 8] {
    let state = match token {
        ListedToken { is_enabled: false, .. } => "disabled",
        ListedToken { is_locked: true, .. } => "locked",
        _ => "enabled",
    };
    [
        visible(&token.serial),
        visible(&token.kind),
        visible(&token.user),
        visible(&token.realm),
        state.to_owned(),
        format!("{}/{}", token.fail_count, token.max_fail),
        token.last_auth.map_or_else(|| "never".to_owned(), moment_text),
        visible(&token.description),
    ]
}

/// A moment for people, in UTC.
#[must_use]
pub fn moment_text(millis: u64) -> String {
    let moment = i64::try_from(millis).ok();
    let moment = moment.and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    moment.map_or_else(String::new, |moment| moment.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}
