//! What each call of the platform's API does.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::administration;
use crate::analytics;
use crate::attribute_search;
use crate::chaos::Preset;
use crate::clock::timestamp;
use crate::config::{RepeatedDisconnect, ServiceWrapUp};
use crate::conversation::{Conversation, Disconnect, Happening, Purpose, What, WrapUp};
use crate::credentials::Admission;
use crate::operation::Operation;
use crate::platform::Reply;
use crate::publishing::Waiting;
use crate::random::Draw;
use crate::refusal::Refusal;
use crate::routing;
use crate::signing::Authenticity;
use crate::views;
use crate::world::{Task, World};
use crate::wrap_up_codes;

/// How long a reply is held back for an event that is to arrive before it.
const EARLY_WITHIN: Duration = Duration::from_secs(5);

/// What a call needs to know of its request beside the body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub query: &'a str,
    /// The host as the client knows it.
    pub host: &'a str,
}

/// Carries out a call that was let in.
pub(crate) async fn perform(
    world: &Arc<World>,
    operation: &Operation,
    body: &Value,
    asked: Asked<'_>,
    admission: &Admission,
) -> Result<Reply, Refusal> {
    let query = asked.query;
    match *operation {
        Operation::ReadConversation(id) => world.read_with(id, views::conversation),
        Operation::ReadMessageConversation(id) => world.read_with(id, views::message_conversation),
        Operation::UpdateParticipant { conversation, participant } => {
            let request = parsed(body)?;
            let mut early = Waiting::new();
            let reply = world.update_participant(conversation, participant, request, &mut early)?;
            wait_for(early).await;
            Ok(reply)
        }
        Operation::UpdateCommunication { conversation, participant, communication } => {
            let request: ParticipantRequest = parsed(body)?;
            if request.state.as_deref() != Some("disconnected") {
                return Err(Refusal::communication_state_required());
            }
            let mut early = Waiting::new();
            let reply = world.close_communication(conversation, participant, communication, &mut early)?;
            wait_for(early).await;
            Ok(reply)
        }
        Operation::GiveWrapUp { conversation, participant, communication } => {
            world.give_wrap_up(conversation, participant, communication, parsed(body)?)
        }
        Operation::ReadWrapUp { conversation, participant, .. } => {
            world.read_wrap_up(conversation, participant)
        }
        Operation::ListParticipantWrapUpCodes { conversation, participant } => {
            let talk =
                world.find(conversation).ok_or_else(|| Refusal::conversation_not_found(conversation))?;
            talk.participant(participant).ok_or_else(|| Refusal::not_a_participant(participant))?;
            Ok(Reply::ok(Value::Array(wrap_up_codes::shown(&world.wrap_up_codes.of(talk.queue)))))
        }
        Operation::UpdateConversation(id) => {
            let request: ParticipantRequest = parsed(body)?;
            if request.state.as_deref() != Some("disconnected") {
                return Err(Refusal::invalid_value("state"));
            }
            world.close_wrapper(id, |talk| Reply::ok(views::conversation(talk)))
        }
        Operation::DeleteConversation(id) => world.close_wrapper(id, |_| Reply::empty(204)),
        Operation::ForceDisconnect(id) => world.force_disconnect(id),
        Operation::ReadAnalytics(id) => analytics::read_one(world, id),
        Operation::QueryAnalytics => analytics::query(world, body),
        Operation::SearchAttributes => attribute_search::search(world, body),
        Operation::ListWrapUpCodes => Ok(wrap_up_codes::page(&world.wrap_up_codes.all(), query)),
        Operation::ListQueueWrapUpCodes(queue) => {
            Ok(wrap_up_codes::page(&world.wrap_up_codes.of(queue), query))
        }
        Operation::ReadToken => Ok(routing::token(world, admission)),
        Operation::ReadGrants => Ok(administration::subject(query, admission)),
        Operation::ReadLimits => Ok(administration::limits(world)),
        Operation::ListDeployments => Ok(administration::deployments(world, query)),
        Operation::ReadActiveConfiguration(id) => administration::active_configuration(world, id),
        Operation::CreateChannel => Ok(world.create_channel(asked.host, admission)),
        Operation::CheckChannel(id) if world.has_channel(id) => Ok(Reply::empty(200)),
        Operation::CheckChannel(_) => Err(Refusal::not_found()),
        Operation::Subscribe { channel, replaces } => {
            let ignores = query.split('&').any(|pair| pair == "ignoreErrors=true");
            world.subscribe(channel, replaces, body, ignores, admission)
        }
        Operation::Dialect(call) => {
            let mut early = Waiting::new();
            let reply = call.perform(world, body, &mut early)?;
            wait_for(early).await;
            Ok(reply)
        }
    }
}

fn parsed<T: serde::de::DeserializeOwned>(body: &Value) -> Result<T, Refusal> {
    T::deserialize(body).map_err(|_| Refusal::bad_request())
}

async fn wait_for(early: Waiting) {
    for arrival in early {
        // A receiver that is slow or gone does not hold the reply back for ever.
        let _ = tokio::time::timeout(EARLY_WITHIN, arrival).await;
    }
}

/// The part of `MediaParticipantRequest`, and of `Conversation`, that has an effect here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ParticipantRequest {
    state: Option<String>,
    wrapup: Option<WrapUpRequest>,
    wrapup_skipped: Option<bool>,
}

/// `WrapupInput`: every field may be missing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrapUpRequest {
    code: Option<String>,
    notes: Option<String>,
    tags: Option<Vec<String>>,
    duration_seconds: Option<u64>,
    end_time: Option<String>,
}

impl World {
    pub(crate) fn read_with(
        &self,
        id: Uuid,
        view: impl Fn(&Conversation) -> Value,
    ) -> Result<Reply, Refusal> {
        let mut talk = self.find(id).ok_or_else(|| Refusal::conversation_not_found(id))?;
        talk.ledger.reads += 1;
        for leg in talk.participants.iter_mut().flat_map(|p| p.legs.iter_mut()) {
            leg.known = true;
            leg.proven |= !leg.is_connected();
        }
        Ok(Reply::ok(view(&talk)))
    }

    fn update_participant(
        &self,
        conversation: Uuid,
        participant: Uuid,
        request: ParticipantRequest,
        early: &mut Waiting,
    ) -> Result<Reply, Refusal> {
        let mut talk =
            self.find(conversation).ok_or_else(|| Refusal::conversation_not_found(conversation))?;
        let found = talk.participant(participant).ok_or_else(|| Refusal::not_a_participant(participant))?;
        let (connected, wrapping_up) = (found.is_connected(), found.in_after_call_work());
        let disconnects = match request.state.as_deref() {
            Some("disconnected") => true,
            Some("connected") => false,
            None if request.wrapup.is_some() || request.wrapup_skipped.is_some() => false,
            Some(_) | None => return Err(Refusal::invalid_value("state")),
        };
        let wraps_up = request.wrapup.is_some() || request.wrapup_skipped == Some(true);
        if disconnects && !connected && !(wrapping_up && wraps_up) {
            return self.repeated_disconnect();
        }
        if let Some(wrap_up) = request.wrapup {
            self.take_wrap_up(&mut talk, participant, wrap_up)?;
        }
        if request.wrapup_skipped == Some(true) {
            talk.ledger.note_wrap_up();
            let happened = talk.skip_wrap_up(participant, self.clock.now());
            self.publish(&mut talk, &happened, early);
        }
        if !disconnects || !connected {
            return Ok(Reply::empty(202));
        }
        let fault = self.close_participant(&mut talk, participant, early);
        Ok(Reply::empty(202).fault(fault))
    }

    /// Closes a participant as the platform does, for somebody who asks for it in other words.
    pub(crate) fn disconnect_participant(
        &self,
        conversation: Uuid,
        participant: Uuid,
        early: &mut Waiting,
    ) -> Result<Reply, Refusal> {
        let state = Some("disconnected".to_owned());
        let request = ParticipantRequest { state, wrapup: None, wrapup_skipped: None };
        self.update_participant(conversation, participant, request, early)
    }

    /// Lets the close of a participant take effect later, at once, or not at all; answers the fault that decided.
    fn close_participant(
        &self,
        talk: &mut Conversation,
        participant: Uuid,
        early: &mut Waiting,
    ) -> Option<&'static str> {
        let now = self.clock.now();
        if talk.participant(participant).is_some_and(|p| p.purpose == Purpose::Customer) {
            if let Some(fault) = self.divert_guest_close(talk, participant) {
                return Some(fault);
            }
            let chaos = self.chaos_of(talk);
            if chaos.strikes(Preset::EarlyWebhook, self.seed(), talk).is_some() {
                let happened = talk.end_participant(participant, Disconnect::Client, now);
                self.publish(talk, &happened, early);
                return Some(Preset::EarlyWebhook.name());
            }
        }
        talk.reach(participant);
        let due = now + self.delay(self.config.effect_delay, talk, "effect-delay");
        let task = Task::EndParticipant { conversation: talk.id, participant, how: Disconnect::Client };
        self.schedule.add(due, task);
        None
    }

    /// Lets the faults strike that concern the close of a guest. Answers a fault only when it replaces the effect.
    pub(crate) fn divert_guest_close(
        &self,
        talk: &mut Conversation,
        participant: Uuid,
    ) -> Option<&'static str> {
        let chaos = self.chaos_of(talk);
        let seed = self.seed();
        if chaos.strikes(Preset::BadSignature, seed, talk).is_some() {
            let nth = u64::from(talk.arise("forgery"));
            let which = Draw::new(seed, talk.id, "forgery", nth).between(0, 2);
            let forgery = Authenticity::FORGERIES[usize::try_from(which).unwrap_or(0)];
            if let Some(claimed) = claimed_end(talk, participant, self.clock.now()) {
                self.forge_guest_end(talk, claimed, forgery);
            }
        }
        if chaos.strikes(Preset::AcceptedButOpen, seed, talk).is_some() {
            return Some(Preset::AcceptedButOpen.name());
        }
        if chaos.strikes(Preset::GuestReloads, seed, talk).is_some() {
            if Draw::new(seed, talk.id, "silent-reload", 0).chance(0.5) {
                talk.arise("silent-reload");
            }
            let happened = self.reload_guest(talk);
            self.publish(talk, &happened, &mut Vec::new());
            return Some(Preset::GuestReloads.name());
        }
        None
    }

    fn close_communication(
        &self,
        conversation: Uuid,
        participant: Uuid,
        communication: Uuid,
        early: &mut Waiting,
    ) -> Result<Reply, Refusal> {
        let mut talk =
            self.find(conversation).ok_or_else(|| Refusal::conversation_not_found(conversation))?;
        let found = talk.participant(participant).ok_or_else(|| Refusal::not_a_participant(participant))?;
        let leg = found.legs.iter().find(|leg| leg.id == communication).ok_or_else(Refusal::not_found)?;
        if !leg.is_connected() {
            return self.repeated_disconnect().map(|_| Reply::ok(json!({})));
        }
        let fault = self.close_leg(&mut talk, participant, communication, early);
        Ok(Reply::ok(json!({})).fault(fault))
    }

    /// Ends one leg at once, unless a fault diverts the close; answers that fault.
    pub(crate) fn close_leg(
        &self,
        talk: &mut Conversation,
        participant: Uuid,
        communication: Uuid,
        early: &mut Waiting,
    ) -> Option<&'static str> {
        let guest = talk.participant(participant).is_some_and(|p| p.purpose == Purpose::Customer);
        if guest && let Some(fault) = self.divert_guest_close(talk, participant) {
            return Some(fault);
        }
        let happened = talk.end_leg(participant, communication, Disconnect::Client, self.clock.now());
        self.publish(talk, &happened, early);
        None
    }

    fn repeated_disconnect(&self) -> Result<Reply, Refusal> {
        match self.config.repeated_disconnect {
            RepeatedDisconnect::BadRequest => Err(Refusal::no_active_conversations()),
            RepeatedDisconnect::Accepted => Ok(Reply::empty(202)),
            RepeatedDisconnect::NotFound => Err(Refusal::not_found()),
            RepeatedDisconnect::Conflict => Err(Refusal::conflict()),
        }
    }

    fn give_wrap_up(
        &self,
        conversation: Uuid,
        participant: Uuid,
        communication: Uuid,
        request: WrapUpRequest,
    ) -> Result<Reply, Refusal> {
        let mut talk =
            self.find(conversation).ok_or_else(|| Refusal::conversation_not_found(conversation))?;
        let found = talk.participant(participant).ok_or_else(|| Refusal::not_a_participant(participant))?;
        if !found.legs.iter().any(|leg| leg.id == communication) {
            return Err(Refusal::not_found());
        }
        self.take_wrap_up(&mut talk, participant, request)?;
        Ok(Reply::empty(202))
    }

    /// Wraps up for a participant with a code alone.
    pub(crate) fn wrap_up_with(
        &self,
        talk: &mut Conversation,
        participant: Uuid,
        code: &str,
    ) -> Result<(), Refusal> {
        let code = Some(code.to_owned());
        let request = WrapUpRequest { code, notes: None, tags: None, duration_seconds: None, end_time: None };
        self.take_wrap_up(talk, participant, request)
    }

    fn take_wrap_up(
        &self,
        talk: &mut Conversation,
        participant: Uuid,
        request: WrapUpRequest,
    ) -> Result<(), Refusal> {
        match self.config.service_wrap_up {
            ServiceWrapUp::Refused => return Err(Refusal::not_authorized()),
            ServiceWrapUp::Ignored => return Ok(()),
            ServiceWrapUp::Taken => {}
        }
        let code = request.code.filter(|code| !code.is_empty()).ok_or_else(Refusal::wrap_up_code_required)?;
        if self.wrap_up_codes.by_id(talk.queue, &code).is_none() {
            return Err(Refusal::invalid_value("code"));
        }
        let now = self.clock.now();
        let given = WrapUp {
            code,
            notes: request.notes,
            tags: request.tags.unwrap_or_default(),
            duration_seconds: request.duration_seconds.unwrap_or(0),
            end_time: request.end_time.or_else(|| Some(timestamp(now))),
        };
        talk.ledger.note_wrap_up();
        let happened = talk.wrap_up(participant, given, now);
        self.publish(talk, &happened, &mut Vec::new());
        Ok(())
    }

    fn read_wrap_up(&self, conversation: Uuid, participant: Uuid) -> Result<Reply, Refusal> {
        let talk = self.find(conversation).ok_or_else(|| Refusal::conversation_not_found(conversation))?;
        let found = talk.participant(participant).ok_or_else(|| Refusal::not_a_participant(participant))?;
        found.wrap_up.given.as_ref().map(|given| Reply::ok(json!(given))).ok_or_else(Refusal::not_found)
    }
}

/// Describes the end of a guest's leg that has not happened, for a forger.
pub(crate) fn claimed_end(talk: &Conversation, participant: Uuid, at: i64) -> Option<Happening> {
    let leg = talk.participant(participant)?.last_leg()?.id;
    Some(Happening { what: What::LegEnded(Disconnect::Client), participant, leg, at })
}
