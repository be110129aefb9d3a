use super::{find, mask};

/// Secrets that have the right shape are put together here, so that no scanner
/// mistakes this file for a leak.
fn join(parts: &[&str]) -> String {
    parts.concat()
}

const ALNUM: &str = "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8bC0fG2hJ4kL6nM8";
const HEX: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9";

fn alnum(length: usize) -> String {
    ALNUM.chars().cycle().take(length).collect()
}

fn tokens() -> Vec<(&'static str, String)> {
    let upper = "ABCDEFGH23456789";
    let jwt = join(&[
        "ey",
        "JhbGciOiJIUzI1NiJ9.ey",
        "JzdWIiOiIxMjM0In0.",
        &alnum(43),
    ]);
    vec![
        ("AWS access key id", join(&["AK", "IA", upper])),
        ("AWS access key id", join(&["AS", "IA", upper])),
        ("GitHub token", join(&["gh", "p_", &alnum(36)])),
        ("GitHub token", join(&["gh", "o_", &alnum(36)])),
        ("GitHub token", join(&["gh", "u_", &alnum(36)])),
        ("GitHub token", join(&["gh", "s_", &alnum(36)])),
        ("GitHub token", join(&["gh", "r_", &alnum(36)])),
        (
            "GitHub token",
            join(&["github", "_pat_", &alnum(22), "_", &alnum(59)]),
        ),
        ("GitLab token", join(&["gl", "pat-", &alnum(20)])),
        (
            "Slack token",
            join(&["xo", "xb-123456789012-1234567890123-", &alnum(24)]),
        ),
        (
            "Slack token",
            join(&["xa", "pp-1-A0123456789-1234567890123-", HEX]),
        ),
        ("Google API key", join(&["AI", "za", &alnum(35)])),
        ("Google OAuth secret", join(&["GOC", "SPX-", &alnum(28)])),
        ("Stripe key", join(&["sk_", "live_", &alnum(24)])),
        ("Stripe key", join(&["rk_", "live_", &alnum(24)])),
        (
            "OpenAI API key",
            join(&["s", "k-proj-", &alnum(40), "T3BlbkFJ", &alnum(40)]),
        ),
        ("OpenAI API key", join(&["s", "k-", &alnum(48)])),
        (
            "Anthropic API key",
            join(&["sk-", "ant-api03-", &alnum(40), "-", &alnum(40), "AA"]),
        ),
        ("npm token", join(&["np", "m_", &alnum(36)])),
        (
            "PyPI token",
            join(&["py", "pi-AgEIcHlwaS5vcmc", &alnum(60)]),
        ),
        ("Hugging Face token", join(&["h", "f_", &alnum(34)])),
        ("DigitalOcean token", join(&["do", "p_v1_", HEX])),
        (
            "SendGrid key",
            join(&["S", "G.", &alnum(22), ".", &alnum(43)]),
        ),
        ("Twilio key", join(&["S", "K", &HEX[..32]])),
        (
            "Telegram bot token",
            join(&["1234567890:", "AA", &alnum(33)]),
        ),
        (
            "age secret key",
            join(&["AGE-SECRET", "-KEY-1", &alnum(58).to_uppercase()]),
        ),
        ("JWT", jwt),
    ]
}

#[test]
fn every_kind_of_token_is_found_wherever_it_stands() {
    for (kind, token) in tokens() {
        for (before, after) in [
            ("", ""),
            ("use ", " please"),
            ("\"", "\""),
            ("é", "é"),
            ("(", ")."),
            ("line\\n", "\\n"),
            ("x%3D", "&y"),
            ("\\u000a", "\n"),
            ("at ", ", then "),
        ] {
            let text = format!("{before}{token}{after}");
            let found = find(&text);
            assert_eq!(found.len(), 1, "{kind} in {text}");
            assert_eq!(&text[found[0].range.clone()], token, "{text}");
            assert_eq!(found[0].kind, kind, "{text}");
        }
    }
}

#[track_caller]
fn masks(text: &str, expected: &str) {
    let masked = mask(text).map(|(masked, _)| masked);
    assert_eq!(masked.as_deref(), Some(expected), "{text}");
}

#[test]
fn what_a_name_announces_is_found_without_the_name() {
    let key = alnum(40);
    for (before, kind, after) in [
        ("aws_secret_access_key = ", "AWS secret key", "\n"),
        ("AWS_SECRET_ACCESS_KEY=", "AWS secret key", " next"),
        ("{\"SecretAccessKey\": \"", "AWS secret key", "\"}"),
        (
            "AccountName=x;AccountKey=",
            "Azure account key",
            ";EndpointSuffix=y",
        ),
        ("https://x/y?sv=1&sig=", "Azure signature", "&se=2"),
        ("{\\\"client_secret\\\":\\\"", "secret", "\\\"}"),
        ("X-Api-Key: ", "API key", ""),
        ("?access_token=", "token", "&end"),
        ("Authorization: Bearer ", "bearer token", "\r\n"),
    ] {
        masks(
            &format!("{before}{key}{after}"),
            &format!("{before}[masked: {kind}]{after}"),
        );
    }
    masks(
        "Authorization: Basic dXNlcjpw",
        "Authorization: Basic [masked: basic credentials]",
    );
    masks(
        "aws_secret_access_key=wJalrXUtn/K7MDENG/bPxRfi/CYEXAMPLE/KEYab",
        "aws_secret_access_key=[masked: AWS secret key]",
    );
}

#[test]
fn passwords_are_found_in_urls_connection_strings_and_json() {
    for (text, expected) in [
        (
            "postgres://app:hunter2@db:5432/prod?x=1",
            "postgres://app:[masked: password in a URL]@db:5432/prod?x=1",
        ),
        (
            "redis://:p@ss@cache",
            "redis://:[masked: password in a URL]@cache",
        ),
        (
            "Server=db;User Id=sa;Password=x;Encrypt=1",
            "Server=db;User Id=sa;Password=[masked: password];Encrypt=1",
        ),
        (
            "host=db password='a b' user=x",
            "host=db password='[masked: password]' user=x",
        ),
        ("Uid=sa;Pwd=s3cret;", "Uid=sa;Pwd=[masked: password];"),
        ("PGPASSWORD=x psql", "PGPASSWORD=[masked: password] psql"),
        (
            r#"{"password":"a\"b","n":1}"#,
            r#"{"password":"[masked: password]","n":1}"#,
        ),
        (
            r#"{"password":"a\\","n":"1"}"#,
            r#"{"password":"[masked: password]","n":"1"}"#,
        ),
        (
            r#"{\"password\": \"a\\\"b\", \"n\": 1}"#,
            r#"{\"password\": \"[masked: password]\", \"n\": 1}"#,
        ),
        (
            "password: hunter2\nuser: x",
            "password: [masked: password]\nuser: x",
        ),
        (
            "db.password => \"pässword\"",
            "db.password => \"[masked: password]\"",
        ),
    ] {
        masks(text, expected);
    }
}

#[test]
fn key_blocks_are_found_whole() {
    let body = format!("{}\n{}\n", alnum(64), alnum(64));
    for label in ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "] {
        let block =
            format!("-----BEGIN {label}PRIVATE KEY-----\n{body}-----END {label}PRIVATE KEY-----");
        masks(&format!("a {block} b"), "a [masked: private key] b");
        // As in the key file of a service account.
        let escaped = block.replace('\n', "\\n");
        masks(
            &format!("{{\"private_key\": \"{escaped}\\n\"}}"),
            "{\"private_key\": \"[masked: private key]\\n\"}",
        );
    }
    let headers = format!(
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,AB\n\n{body}-----END RSA PRIVATE KEY-----"
    );
    masks(&headers, "[masked: private key]");
    let pgp = format!(
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{body}-----END PGP PRIVATE KEY BLOCK-----"
    );
    masks(&pgp, "[masked: private key]");
    // Cut off, and followed by another block.
    masks(
        &format!("-----BEGIN PRIVATE KEY-----\n{body}"),
        "[masked: private key]",
    );
    let (first, second) = (
        "-----BEGIN PRIVATE KEY-----\n",
        "-----BEGIN CERTIFICATE-----\nMIIB",
    );
    masks(
        &format!("{first}{body}{second}"),
        &format!("[masked: private key]{second}"),
    );
}

#[test]
fn slack_webhooks_keep_their_host() {
    let text = join(&[
        "https://hooks.",
        "slack.com/services/T00000000/B00000000/",
        &alnum(24),
    ]);
    masks(
        &text,
        "https://hooks.slack.com/services/[masked: Slack webhook]",
    );
}

#[test]
fn kinds_are_named_once_in_order() {
    let tokens = tokens();
    let text = format!("{} {} {}", tokens[2].1, tokens[0].1, tokens[3].1);
    let (masked, kinds) = mask(&text).unwrap();
    assert_eq!(kinds, ["GitHub token", "AWS access key id"]);
    assert_eq!(
        masked,
        "[masked: GitHub token] [masked: AWS access key id] [masked: GitHub token]"
    );
}

#[test]
fn ordinary_values_are_left_alone() {
    let base64 = alnum(400) + "+/" + &alnum(400) + "==";
    let mut innocent: Vec<String> = [
        "",
        "hello world",
        "550e8400-e29b-41d4-a716-446655440000",
        "d41d8cd98f00b204e9800998ecf8427e",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "alice@example.com",
        "mailto:alice@example.com",
        "https://example.com/a?b=c&d=e#f",
        "git@github.com:owner/repo.git",
        "ssh://git@host:22/x",
        "https://user@host/path",
        "http://[::1]:8080/a@b:c",
        "https://host/path:with@at",
        "sha256:9f86d081884c7d659a2feaa0c55ad015",
        "risk-assessment-for-2024-and-later",
        "task-1234567890123456",
        "sk-learn-pipeline-step-two",
        "disk_live_migration",
        "SKU12345678",
        "SKILLS",
        "msg.example.com",
        "hf_model_name_or_path",
        "eyJ",
        "eyJ is how a JWT begins",
        "basic understanding of bearer tokens",
        "bearer of bad news",
        "a basic authentication scheme",
        "password",
        "password:",
        "password: as agreed by phone",
        "passwords: 3",
        "password_policy = strict",
        "reset your password",
        "password = get_password()",
        "password=${DB_PASSWORD}",
        "password=$PASSWORD",
        "password=********",
        "\"password\": null",
        "\"password\": \"\"",
        "password=<your password>",
        "postgres://user:${PASSWORD}@db",
        "PWD=/home/alice",
        "token: next",
        "tokens: 4096",
        "max_tokens=1024",
        "token=550e8400-e29b-41d4-a716-446655440000",
        "the secret: patience and practice",
        "signature: none",
        "design = 1",
        "AKIA",
        "AKIAlowercase",
        "arn:aws:iam::123456789012:role/Admin",
        "2024-01-01T12:00:00Z",
        "12:30:AAA",
        "1234567890:AAA",
        "-----BEGIN CERTIFICATE-----\nMIIBsomethinglongenough0123\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
        "files start with -----BEGIN PRIVATE KEY----- and then some lines",
        "SELECT * FROM users WHERE id = 1",
        "日本語",
        "xoxo-love",
        "npm_config_registry",
        "pypi-server",
        "arn:aws:s3:::bucket/key",
        "Bearer",
        "Basic ",
        "a://b",
        "://",
        ":@",
        "token==",
        "secret=\"\"",
    ]
    .map(str::to_owned)
    .to_vec();
    innocent.push(base64.clone());
    innocent.push(format!("data:image/png;base64,{base64}"));
    for text in innocent {
        assert_eq!(mask(&text), None, "{text}");
    }
}

#[test]
fn hostile_text_is_searched_to_its_end() {
    // A search that starts again at every repetition would take minutes here.
    let size = 1 << 18;
    for piece in [
        "A",
        "eyJ",
        "-eyJ",
        "eyJ.",
        "eyJaaaaaaaaa.",
        "-----BEGIN",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n",
        "-----",
        "://",
        "://a:",
        "://a:@",
        "password=",
        "password=(",
        "password=\"",
        "password=\\\"",
        "password='x\"",
        "password=\\\\\"password=\\\"",
        "password:",
        "password={",
        "token=",
        "token:a",
        "token=\"",
        "secret=\\",
        "password=\\",
        "sk-",
        "sk-a1",
        "SK",
        "ghp_",
        "_ghp_",
        "github_pat_",
        "glpat-.",
        "bearer ",
        "bearer a/",
        "basic  ",
        "AKIA",
        "1234567890:AA",
        ":AA",
        "xoxe.",
        "hooks.slack.com/services/",
        "authorization: ",
        "\u{e9}",
        "password= ",
        "\"",
        "\\",
    ] {
        let text = piece.repeat(size / piece.len());
        for text in [text.clone(), text + "}"] {
            let found = find(&text);
            let ends_in_order = found
                .windows(2)
                .all(|pair| pair[0].range.end <= pair[1].range.start);
            assert!(ends_in_order, "{piece}");
            assert!(
                found.iter().all(|found| found.range.end <= text.len()),
                "{piece}"
            );
        }
    }
}
