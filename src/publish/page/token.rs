//! The token that a request must have.

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use secrecy::{ExposeSecret, SecretString};

/// Fewer characters can be guessed.
const LEAST: usize = 16;

/// A token that nobody sees.
#[derive(Clone, Debug)]
pub struct Token(SecretString);

impl Token {
    /// Takes a token.
    ///
    /// # Errors
    /// It cannot stand in a header, or is too short; the text says what would be right, and not what it is.
    pub fn new(secret: SecretString) -> Result<Token, String> {
        let text = secret.expose_secret();
        let remedy = format!(
            "write {LEAST} or more visible ASCII characters without spaces, such as `openssl rand -hex 16` makes"
        );
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("it has characters that cannot stand in a header: {remedy}"));
        }
        if text.len() < LEAST {
            return Err(format!("it has {} characters, which can be guessed: {remedy}", text.len()));
        }
        Ok(Token(secret))
    }

    /// Returns whether a request with these headers has it, exactly once.
    pub fn is_in(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let Some((scheme, given)) = value.to_str().ok().and_then(|text| text.split_once(' ')) else { return false };
        scheme.eq_ignore_ascii_case("bearer") && same(given.trim().as_bytes(), self.0.expose_secret().as_bytes())
    }
}

/// Whether both are the same; how long that takes says nothing of where they differ.
fn same(given: &[u8], known: &[u8]) -> bool {
    let differences = given.iter().zip(known).fold(0, |all, (a, b)| std::hint::black_box(all | (a ^ b)));
    given.len() == known.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "0123456789abcdef";

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (AUTHORIZATION, value.parse().unwrap())).collect()
    }

    #[test]
    fn the_token_and_nothing_else_is_let_in() {
        let token = Token::new(GOOD.into()).unwrap();
        for good in ["Bearer 0123456789abcdef", "bearer 0123456789abcdef", "BEARER  0123456789abcdef"] {
            assert!(token.is_in(&headers(&[good])), "{good}");
        }
        for wrong in ["", "Bearer", "Bearer ", GOOD, "Basic 0123456789abcdef", "Bearer 0123456789abcdeF"] {
            assert!(!token.is_in(&headers(&[wrong])), "{wrong}");
        }
        for wrong in ["Bearer 0123456789abcde", "Bearer 0123456789abcdefg", "Bearer 0123456789abcdef x"] {
            assert!(!token.is_in(&headers(&[wrong])), "{wrong}");
        }
        let good = format!("Bearer {GOOD}");
        assert!(!token.is_in(&headers(&[])) && !token.is_in(&headers(&[&good, &good])));
    }

    #[test]
    fn a_token_that_is_no_good_is_refused_and_never_shown() {
        for (wrong, why) in
            [("short", "5 characters"), ("0123456789 abcdef", "cannot stand"), ("0123456789abcdéf", "cannot stand")]
        {
            let said = Token::new(wrong.into()).unwrap_err();
            assert!(said.contains(why) && said.contains("openssl rand") && !said.contains(wrong), "{said}");
        }
        assert!(!format!("{:?}", Token::new(GOOD.into()).unwrap()).contains(GOOD));
    }
}
