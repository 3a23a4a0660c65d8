//! The sessions of the demo: who is in them, and what goes wrong with each.

use anyhow::Result;
use genesys_simulator::{AgentPresence, ChaosSpec, FaultRule, NewConversation, Preset, Simulator};
use uuid::Uuid;

/// What must become of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Closed by us, with proof.
    Closed,
    /// Found closed.
    AlreadyClosed,
    /// Refused, and nothing asked.
    Refused,
    /// Held as a ghost of this reason, because it really stays open.
    Ghost(&'static str),
}

/// One kind of session.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// What goes wrong with it, and what must become of it if that is not a closure.
    pub story: &'static str,
    /// What must become of it.
    pub expected: Expected,
    /// How many there are.
    pub sessions: usize,
}

/// All sessions.
#[derive(Debug, Clone)]
pub struct Cast {
    /// The kinds, in order.
    pub parts: Vec<Part>,
    /// Every conversation with the index of its kind, in the order in which they are submitted.
    pub sessions: Vec<(Uuid, usize)>,
}

/// Makes the sessions: every preset, some that end already, some that never close, and the rest clean.
pub fn cast(simulator: &Simulator, wanted: u32) -> Result<Cast> {
    let each = (wanted / 20).max(1);
    let mut cast = Cast { parts: Vec::new(), sessions: Vec::new() };
    for preset in Preset::ALL {
        let wanted = NewConversation { chaos: Some(ChaosSpec::of(preset)), ..NewConversation::default() };
        let refused = preset == Preset::AgentConnected;
        let expected = if refused { Expected::Refused } else { Expected::Closed };
        cast.add(simulator, preset.name(), story(preset), expected, &wanted.count(each))?;
    }
    let ended = NewConversation { ended: true, ..NewConversation::default() };
    let found = "closed before we came: nothing may be asked";
    cast.add(simulator, "ended before", found, Expected::AlreadyClosed, &ended.count(each))?;
    let never = ChaosSpec::none().with(FaultRule::new(Preset::AcceptedButOpen).times(u32::MAX));
    let stuck = NewConversation { chaos: Some(never), ..NewConversation::default() };
    let stays = "every close is accepted and nothing happens: a ghost";
    let number = each / 3 + 1;
    cast.add(simulator, "never closes", stays, Expected::Ghost("no_confirmation"), &stuck.count(number))?;
    let owing = NewConversation {
        agent: AgentPresence::WrapUp,
        wrap_up_required: true,
        wrap_up_blocks: true,
        ..NewConversation::default()
    };
    let owed = "Genesys insists on an agent's wrap-up code: a ghost";
    cast.add(simulator, "wrap-up blocks", owed, Expected::Ghost("wrapup_pending"), &owing.count(number))?;
    let clean = wanted.saturating_sub(u32::try_from(cast.sessions.len())?);
    let rest = NewConversation::default().count(clean);
    cast.add(simulator, "nothing wrong", "closed, and its end told at once", Expected::Closed, &rest)?;
    cast.shuffle();
    Ok(cast)
}

/// What a fault does, in words for somebody who sees it for the first time.
fn story(preset: Preset) -> &'static str {
    match preset {
        Preset::LostWebhook => "the event of the guest's end never comes",
        Preset::LateWebhook => "it comes seconds late",
        Preset::DuplicateWebhook => "it comes two or three times",
        Preset::Reordered => "an older \"still connected\" comes after it",
        Preset::BadSignature => "a forged event claims the end before it happens",
        Preset::EarlyWebhook => "the event overtakes the answer to the call",
        Preset::AcceptedButOpen => "the first close is accepted and nothing happens",
        Preset::ConflictStorm => "the first two writes are answered with 409",
        Preset::RateLimitStorm => "the first two calls are answered with 429",
        Preset::ServerErrorStorm => "the first two calls get a 5xx; some act all the same",
        Preset::TokenExpiry => "the access token expires in the middle",
        Preset::GuestReloads => "the guest reloads the page and has a new session",
        Preset::AgentConnected => "an agent is talking to the guest: to be refused",
        Preset::WrapupRequired => "an agent has left and owes a wrap-up code",
    }
}

impl Cast {
    fn add(
        &mut self,
        simulator: &Simulator,
        name: &'static str,
        story: &'static str,
        expected: Expected,
        wanted: &NewConversation,
    ) -> Result<()> {
        let created = simulator
            .create(wanted)
            .map_err(|error| anyhow::anyhow!("the simulator cannot make conversations: {error:?}"))?;
        let part = self.parts.len();
        self.sessions.extend(created.iter().map(|made| (made.conversation_id, part)));
        self.parts.push(Part { name, story, expected, sessions: created.len() });
        Ok(())
    }

    /// Mixes the kinds, the same way for the same ids.
    fn shuffle(&mut self) {
        self.sessions
            .sort_by_key(|(id, _)| id.as_u128().wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    }

    /// The kind of a session.
    pub fn part_of(&self, conversation: Uuid) -> Option<&Part> {
        let (_, part) = self.sessions.iter().find(|(id, _)| *id == conversation)?;
        self.parts.get(*part)
    }
}
