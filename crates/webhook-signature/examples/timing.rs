//! Whether the time of a verification tells how much of a forged tag or key is right: Welch's t-test, as dudect does it.
//!
//! Two kinds of forgeries are verified in random order, both of the same length in the same memory: they differ from what is
//! right in their first bytes, or in their last alone. A comparison that stops at the first difference needs longer for the
//! second kind. |t| below 4.5 is no evidence of a difference; beyond it this ends with 1. `right` against `wrong` shows for comparison whether it is told
//! that a tag is right; that an answer tells anyhow.
//!
//! `cargo run --release -p webhook-signature --example timing [SAMPLES]`

#![expect(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a measurement may end where it stands")]

use std::{hint::black_box, process::ExitCode, time::Instant};

use webhook_signature::{HmacScheme, Scheme, SecretString, WebhookSignature};

const SECRET: &str = "c2f1c9b0-7a64-4a5e-9a53-0d3a2f6f1c55";
/// The key of Standard Webhooks is base64.
const STANDARD: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz";
const USER: &str = "relay:c2f1c9b0-7a64-4a5e-9a53-0d3a2f6f1c55";
const NOW: i64 = 1_795_255_200;
/// Verifications in one sample.
const TOGETHER: usize = 8;
/// Samples above this part are left out: interruptions, not the code.
const KEPT: f64 = 0.95;
/// From here on t tells of a difference, by the convention of dudect.
const TELLS: f64 = 4.5;

/// The header that is forged, and those beside it.
struct Delivery {
    forged: String,
    beside: Vec<(String, String)>,
    body: Vec<u8>,
}

fn main() -> ExitCode {
    let samples = std::env::args().nth(1).map_or(400_000, |text| text.parse().unwrap());
    println!(
        "{samples} samples of {TOGETHER} verifications for each row; |t| >= {TELLS} would tell of a difference"
    );
    let header = Scheme::Header("x-key".to_owned());
    let mut told_of = 0;
    // What stands before the tag or the key in its header.
    for (name, scheme, secret, before) in [
        ("hub-sha256-hex", Scheme::HubSha256Hex, SECRET, "sha256="),
        ("hub-sha256-base64", Scheme::HubSha256Base64, SECRET, "sha256="),
        ("standard-webhooks", Scheme::StandardWebhooks, STANDARD, "v1,"),
        ("hmac, as Slack", Scheme::Hmac(HmacScheme::slack()), SECRET, "v0="),
        ("hmac, as Stripe", Scheme::Hmac(HmacScheme::stripe()), SECRET, "t=1795255200,v1="),
        ("bearer", Scheme::Bearer, SECRET, "Bearer "),
        ("basic", Scheme::Basic, USER, "Basic "),
        ("header", header, SECRET, ""),
    ] {
        let hook = WebhookSignature::new(scheme, vec![SecretString::from(secret)]).unwrap();
        let body = vec![b'x'; 1_024];
        let mut beside = hook.sign(Some("msg_1"), NOW, &body).unwrap();
        let at = beside.iter().position(|(_, value)| value.starts_with(before) && value.len() > 20).unwrap();
        let (forged, right) = beside.remove(at);
        let right = right.into_bytes();
        let delivery = Delivery { forged, beside, body };
        // Behind the prefix, and before what base64 pads with.
        let first = changed(&right, before.len());
        let last = changed(&right, right.len() - 3);
        // The second time both kinds are the same, which says what a difference of nothing looks like here.
        for (told, kinds, counts) in [
            ("first byte wrong, last byte wrong", [&first, &last], true),
            ("the same twice", [&first, &first], true),
            ("right, last byte wrong", [&right, &last], false),
        ] {
            let t = welch(&measure(&hook, &delivery, kinds, samples));
            println!("{name:20} {told:36} t = {t:7.2}");
            told_of += usize::from(counts && t.abs() >= TELLS);
        }
    }
    if told_of == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The value with another letter or digit at a place.
fn changed(value: &[u8], at: usize) -> Vec<u8> {
    let mut value = value.to_vec();
    value[at] = if value[at] == b'a' { b'b' } else { b'a' };
    value
}

/// Nanoseconds of each sample, by kind.
fn measure(
    hook: &WebhookSignature,
    delivery: &Delivery,
    kinds: [&Vec<u8>; 2],
    samples: usize,
) -> [Vec<f64>; 2] {
    let mut times = [Vec::new(), Vec::new()];
    let mut value = kinds[0].clone();
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    // A tenth more, of which the first are for warming up.
    for number in 0..samples + samples / 10 {
        // xorshift64: which kind is next must not be guessed by the processor.
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        let kind = usize::from(dice >> 40 & 1 == 1);
        value.copy_from_slice(kinds[kind]);
        let begun = Instant::now();
        for _ in 0..TOGETHER {
            let line = (delivery.forged.as_str(), black_box(value.as_slice()));
            let beside = delivery.beside.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            let _ = black_box(hook.verify(beside.chain([line]), black_box(&delivery.body), NOW));
        }
        let took = begun.elapsed().as_nanos() as f64;
        if number >= samples / 10 {
            times[kind].push(took);
        }
    }
    times
}

/// Welch's t of the two kinds, without the slowest samples of both.
fn welch(times: &[Vec<f64>; 2]) -> f64 {
    let mut all: Vec<f64> = times.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a length is one")]
    let most = all[(all.len() as f64 * KEPT) as usize];
    let [(mean, part), (other_mean, other_part)] = times.each_ref().map(|times| {
        let kept: Vec<f64> = times.iter().copied().filter(|time| *time <= most).collect();
        let number = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / number;
        let variance = kept.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (number - 1.0);
        (mean, variance / number)
    });
    (mean - other_mean) / (part + other_part).sqrt()
}
