//! Tokens that begin with a literal of their own.

/// The characters that a token goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Alphanumeric,
    /// `A-Z 0-9`
    Upper,
    /// `0-9 a-f`
    Hex,
    /// `A-Z a-z 0-9 _ -`
    UrlSafe,
    /// [`Self::UrlSafe`] and `.`
    Dotted,
    /// [`Self::UrlSafe`] and `/ + = .`
    Path,
}

impl Body {
    pub(super) const fn holds(self, byte: u8) -> bool {
        match self {
            Self::Alphanumeric => byte.is_ascii_alphanumeric(),
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Hex => byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'),
            Self::UrlSafe => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
            Self::Path => {
                byte.is_ascii_alphanumeric()
                    || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'+' | b'=')
            }
        }
    }
}

/// How long the part after the literal is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Length {
    Exactly(usize),
    AtLeast(usize),
}

/// A literal, and what has to follow it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: &'static str,
    /// Compared with case.
    pub(super) literal: &'static str,
    pub(super) body: Body,
    pub(super) length: Length,
    pub(super) wants: Wants,
}

/// What keeps ordinary text from looking like the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    /// The literal says enough.
    Nothing,
    /// No letter or digit before the literal.
    Edge,
    /// That, and 16 letters and digits in a row, both kinds among them.
    Randomness,
}

const fn token(
    kind: &'static str,
    literal: &'static str,
    body: Body,
    length: Length,
    wants: Wants,
) -> Token {
    Token {
        kind,
        literal,
        body,
        length,
        wants,
    }
}

use Body::{Alphanumeric, Dotted, Hex, Path, Upper, UrlSafe};
use Length::{AtLeast, Exactly};
use Wants::{Edge, Nothing, Randomness};

pub(super) const TOKENS: &[Token] = &[
    token("AWS access key id", "AKIA", Upper, Exactly(16), Edge),
    token("AWS access key id", "ASIA", Upper, Exactly(16), Edge),
    token("GitHub token", "ghp_", Alphanumeric, AtLeast(30), Nothing),
    token("GitHub token", "gho_", Alphanumeric, AtLeast(30), Nothing),
    token("GitHub token", "ghu_", Alphanumeric, AtLeast(30), Nothing),
    // App tokens are changing to a longer form with an embedded JWT.
    token("GitHub token", "ghs_", Dotted, AtLeast(30), Nothing),
    token("GitHub token", "ghr_", Alphanumeric, AtLeast(30), Nothing),
    token("GitHub token", "github_pat_", UrlSafe, AtLeast(22), Nothing),
    token("GitLab token", "glpat-", Dotted, AtLeast(20), Nothing),
    token("GitLab token", "gldt-", UrlSafe, AtLeast(20), Edge),
    token("GitLab token", "glrt-", Dotted, AtLeast(20), Edge),
    token("GitLab token", "glptt-", UrlSafe, AtLeast(20), Edge),
    token("GitLab token", "glcbt-", UrlSafe, AtLeast(20), Edge),
    token("Slack token", "xoxb-", UrlSafe, AtLeast(10), Nothing),
    token("Slack token", "xoxp-", UrlSafe, AtLeast(10), Nothing),
    token("Slack token", "xoxa-", UrlSafe, AtLeast(10), Nothing),
    token("Slack token", "xoxr-", UrlSafe, AtLeast(10), Nothing),
    token("Slack token", "xoxs-", UrlSafe, AtLeast(10), Nothing),
    token("Slack token", "xoxc-", UrlSafe, AtLeast(10), Nothing),
    token("Slack token", "xoxd-", Path, AtLeast(10), Nothing),
    token("Slack token", "xoxe-", UrlSafe, AtLeast(10), Nothing),
    token("Slack token", "xoxe.xox", Dotted, AtLeast(20), Nothing),
    token("Slack token", "xapp-", UrlSafe, AtLeast(20), Nothing),
    token(
        "Slack webhook",
        "hooks.slack.com/services/",
        Path,
        AtLeast(20),
        Nothing,
    ),
    token(
        "Slack webhook",
        "hooks.slack.com/workflows/",
        Path,
        AtLeast(20),
        Nothing,
    ),
    token(
        "Slack webhook",
        "hooks.slack.com/triggers/",
        Path,
        AtLeast(20),
        Nothing,
    ),
    token(
        "Discord webhook",
        "discord.com/api/webhooks/",
        Path,
        AtLeast(60),
        Nothing,
    ),
    token("Google API key", "AIza", UrlSafe, Exactly(35), Edge),
    token("Google OAuth secret", "GOCSPX-", UrlSafe, AtLeast(20), Edge),
    token("Google OAuth token", "ya29.", UrlSafe, AtLeast(20), Edge),
    token("Stripe key", "sk_live_", Alphanumeric, AtLeast(10), Nothing),
    token("Stripe key", "rk_live_", Alphanumeric, AtLeast(10), Nothing),
    token("Stripe key", "sk_test_", Alphanumeric, AtLeast(10), Nothing),
    token("Stripe key", "rk_test_", Alphanumeric, AtLeast(10), Nothing),
    token("Stripe webhook secret", "whsec_", Path, AtLeast(24), Edge),
    token("Anthropic API key", "sk-ant-", UrlSafe, AtLeast(20), Edge),
    token("OpenAI API key", "sk-", UrlSafe, AtLeast(20), Randomness),
    token("npm token", "npm_", Alphanumeric, AtLeast(36), Nothing),
    token("PyPI token", "pypi-", UrlSafe, AtLeast(50), Nothing),
    token("Hugging Face token", "hf_", Alphanumeric, AtLeast(30), Edge),
    token("DigitalOcean token", "dop_v1_", Hex, AtLeast(64), Nothing),
    token("DigitalOcean token", "doo_v1_", Hex, AtLeast(64), Nothing),
    token("DigitalOcean token", "dor_v1_", Hex, AtLeast(64), Nothing),
    token("SendGrid key", "SG.", Dotted, AtLeast(66), Randomness),
    token("Twilio key", "SK", Hex, Exactly(32), Edge),
    token(
        "age secret key",
        "AGE-SECRET-KEY-",
        UrlSafe,
        AtLeast(50),
        Nothing,
    ),
    token("Docker token", "dckr_pat_", UrlSafe, AtLeast(20), Nothing),
    token("Vault token", "hvs.", UrlSafe, AtLeast(24), Edge),
    token("Shopify token", "shpat_", Hex, AtLeast(32), Edge),
    token("Groq API key", "gsk_", Alphanumeric, AtLeast(40), Edge),
    token("Atlassian token", "ATATT3x", Path, AtLeast(40), Edge),
    token("Supabase token", "sbp_", Hex, AtLeast(40), Edge),
    token(
        "Linear API key",
        "lin_api_",
        Alphanumeric,
        AtLeast(32),
        Edge,
    ),
    token("Tailscale key", "tskey-", UrlSafe, AtLeast(20), Edge),
];

/// Where the secret begins in a match: the literals that name a host stay.
pub(super) fn secret_offset(token: &Token) -> usize {
    if token.literal.contains('/') {
        token.literal.len()
    } else {
        0
    }
}
