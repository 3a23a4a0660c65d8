//! Which faults are wanted, and whether one strikes now.
//!
//! A rule's rate is the share of *conversations* that it touches; `times` says how often it strikes each of them.
//! Both follow from the seed, so the same seed gives the same faults whatever the order of the calls.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::conversation::Conversation;
use crate::random::Draw;

/// A kind of fault, by the name under which it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// The event of the guest's end is never sent.
    LostWebhook,
    /// The event of the guest's end is sent late.
    LateWebhook,
    /// Every event is sent two or three times with the same id.
    DuplicateWebhook,
    /// An older `connected` event arrives after the newer `disconnected` one.
    Reordered,
    /// A forged event (wrong key, no signature, or a body changed after signing) is sent while the guest is still connected.
    BadSignature,
    /// The event arrives before the reply to the call that caused it.
    EarlyWebhook,
    /// A close is accepted and nothing happens.
    #[serde(rename = "200-but-open")]
    AcceptedButOpen,
    /// Writes are answered with 409.
    #[serde(rename = "409-storm")]
    ConflictStorm,
    /// Calls are answered with 429 and `Retry-After`.
    #[serde(rename = "429-storm")]
    RateLimitStorm,
    /// Calls are answered with 500, 502, 503 or 504; some of the writes take effect all the same.
    #[serde(rename = "5xx-storm")]
    ServerErrorStorm,
    /// The access token expires in the middle.
    TokenExpiry,
    /// The guest reloads the page while being closed: the old leg ends and a new one appears.
    GuestReloads,
    /// An agent is connected when the closure begins.
    AgentConnected,
    /// An agent has left and still owes a wrap-up code, which keeps the conversation open.
    WrapupRequired,
}

impl Preset {
    /// Every preset, in the order of the documentation.
    pub const ALL: [Self; 14] = [
        Self::LostWebhook,
        Self::LateWebhook,
        Self::DuplicateWebhook,
        Self::Reordered,
        Self::BadSignature,
        Self::EarlyWebhook,
        Self::AcceptedButOpen,
        Self::ConflictStorm,
        Self::RateLimitStorm,
        Self::ServerErrorStorm,
        Self::TokenExpiry,
        Self::GuestReloads,
        Self::AgentConnected,
        Self::WrapupRequired,
    ];

    /// Answers the preset's name, such as `lost-webhook`.
    pub fn name(self) -> &'static str {
        match self {
            Self::LostWebhook => "lost-webhook",
            Self::LateWebhook => "late-webhook",
            Self::DuplicateWebhook => "duplicate-webhook",
            Self::Reordered => "reordered",
            Self::BadSignature => "bad-signature",
            Self::EarlyWebhook => "early-webhook",
            Self::AcceptedButOpen => "200-but-open",
            Self::ConflictStorm => "409-storm",
            Self::RateLimitStorm => "429-storm",
            Self::ServerErrorStorm => "5xx-storm",
            Self::TokenExpiry => "token-expiry",
            Self::GuestReloads => "guest-reloads",
            Self::AgentConnected => "agent-connected",
            Self::WrapupRequired => "wrapup-required",
        }
    }

    /// Finds a preset by its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }

    /// How often the preset strikes one conversation when the rule does not say. A storm must pass for a client
    /// with a few attempts to get through; a lost webhook stays lost.
    fn usual_times(self) -> u32 {
        match self {
            Self::LostWebhook
            | Self::DuplicateWebhook
            | Self::Reordered
            | Self::BadSignature
            | Self::EarlyWebhook => u32::MAX,
            Self::LateWebhook | Self::AgentConnected | Self::WrapupRequired => u32::MAX,
            Self::AcceptedButOpen | Self::TokenExpiry | Self::GuestReloads => 1,
            Self::ConflictStorm | Self::RateLimitStorm | Self::ServerErrorStorm => 2,
        }
    }
}

/// One preset with how widely and how often it strikes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FaultRule {
    /// What goes wrong.
    pub preset: Preset,
    /// The share of conversations that are touched, from 0 to 1. Absent: the `rate` of the whole, else 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// How often the fault strikes a touched conversation. Absent: two for storms, one for `200-but-open`,
    /// `token-expiry` and `guest-reloads`, without limit for the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// The longest delay in milliseconds of a late event (5,000 when absent), or the wait in `Retry-After` of a
    /// 429, rounded up to seconds (1 s when absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// For `200-but-open`: whether closing the conversation is also accepted without effect, not only closing the guest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wrapper_too: bool,
}

impl FaultRule {
    /// Asks for a preset in every conversation, as often as is usual for it.
    pub fn new(preset: Preset) -> Self {
        Self { preset, rate: None, times: None, delay_ms: None, wrapper_too: false }
    }

    /// Sets the share of conversations that are touched, from 0 to 1.
    #[must_use]
    pub fn rate(mut self, rate: f64) -> Self {
        self.rate = Some(rate);
        self
    }

    /// Sets how often the fault strikes a touched conversation.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Sets the longest delay of a late event, or the wait that a 429 asks for, in milliseconds.
    #[must_use]
    pub fn delay_ms(mut self, delay_ms: u64) -> Self {
        self.delay_ms = Some(delay_ms);
        self
    }
}

/// A rule as JSON may give it: a bare name, or an object with details.
#[derive(Deserialize)]
#[serde(untagged)]
enum RuleInput {
    Named(Preset),
    Detailed(FaultRule),
}

pub(crate) fn rules<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Vec<FaultRule>, D::Error> {
    let rules = Vec::<RuleInput>::deserialize(input)?;
    Ok(rules
        .into_iter()
        .map(|rule| match rule {
            RuleInput::Named(preset) => FaultRule::new(preset),
            RuleInput::Detailed(rule) => rule,
        })
        .collect())
}

/// All faults that are wanted, for the whole run or for one conversation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChaosSpec {
    /// The rules; in JSON each is a preset's name or an object with `preset` and details.
    #[serde(default, deserialize_with = "rules")]
    pub presets: Vec<FaultRule>,
    /// The rate of rules that give none; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
}

impl ChaosSpec {
    /// Asks for no faults.
    pub fn none() -> Self {
        Self::default()
    }

    /// Asks for one preset in every conversation.
    pub fn of(preset: Preset) -> Self {
        Self { presets: vec![FaultRule::new(preset)], rate: None }
    }

    /// Asks for every preset, each in the given share of the conversations.
    pub fn mix(rate: f64) -> Self {
        Self { presets: Preset::ALL.into_iter().map(FaultRule::new).collect(), rate: Some(rate) }
    }

    /// Adds a rule.
    #[must_use]
    pub fn with(mut self, rule: FaultRule) -> Self {
        self.presets.push(rule);
        self
    }

    /// Answers the rule for a preset when it touches the conversation at all.
    pub(crate) fn touching(&self, preset: Preset, seed: u64, conversation: Uuid) -> Option<&FaultRule> {
        let rule = self.presets.iter().find(|rule| rule.preset == preset)?;
        let rate = rule.rate.or(self.rate).unwrap_or(1.0);
        Draw::new(seed, conversation, preset.name(), 0).chance(rate).then_some(rule)
    }

    /// Answers the rule when the preset strikes now, and counts the strike in the conversation.
    pub(crate) fn strikes(
        &self,
        preset: Preset,
        seed: u64,
        conversation: &mut Conversation,
    ) -> Option<&FaultRule> {
        let rule = self.touching(preset, seed, conversation.id)?;
        let limit = rule.times.unwrap_or_else(|| preset.usual_times());
        let times = conversation.occasions.entry(preset.name()).or_default();
        if *times >= limit {
            return None;
        }
        *times += 1;
        Some(rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_found_by_its_name_and_spelt_the_same_in_json() {
        for preset in Preset::ALL {
            assert_eq!(Preset::named(preset.name()), Some(preset));
            assert_eq!(serde_json::to_value(preset).unwrap(), preset.name());
        }
        assert_eq!(Preset::named("no-such-preset"), None);
    }

    #[test]
    fn a_rule_is_a_name_or_an_object() {
        let text = r#"{"presets": ["409-storm", {"preset": "late-webhook", "rate": 0.5, "delayMs": 10}], "rate": 0.1}"#;
        let spec: ChaosSpec = serde_json::from_str(text).unwrap();
        let late = FaultRule::new(Preset::LateWebhook).rate(0.5).delay_ms(10);
        assert_eq!(spec.presets, [FaultRule::new(Preset::ConflictStorm), late]);
        assert_eq!(spec.rate, Some(0.1));
    }

    #[test]
    fn a_rate_touches_the_same_conversations_under_the_same_seed() {
        let spec = ChaosSpec::default().with(FaultRule::new(Preset::LostWebhook).rate(0.25));
        let touched = |seed| -> Vec<u128> {
            (0..4_000)
                .filter(|n| spec.touching(Preset::LostWebhook, seed, Uuid::from_u128(*n)).is_some())
                .collect()
        };
        assert_eq!(touched(7), touched(7));
        assert_ne!(touched(7), touched(8));
        assert!((900..1_100).contains(&touched(7).len()));
    }
}
