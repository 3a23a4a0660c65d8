//! The simulator as a value: build it, serve it, and steer it from the same process.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use axum::serve::ListenerExt as _;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::chaos::ChaosSpec;
use crate::config::{
    Config, DelayRange, OauthClient, Quota, RepeatedDisconnect, ServiceWrapUp, WebhookAdapter,
};
use crate::conversation::GuestState;
use crate::dialect::Dialect;
use crate::journal::{JournalPage, JournalQuery};
use crate::ledger::Verdict;
use crate::population::{CannotCreate, CreatedConversation, GuestAct, MessengerSetting, NewConversation};
use crate::signing::SigningUnusable;
use crate::sockets::{ShownChannel, SocketAct};
use crate::trigger::{CannotTrigger, Trigger, TriggerResult};
use crate::world::World;
use crate::wrap_up_codes::WrapUpCode;
use crate::{control, login, platform, socket_door};

/// A stand-in for Genesys Cloud. Cloning it gives another handle on the same world.
#[derive(Clone, Debug)]
pub struct Simulator {
    world: Arc<World>,
}

impl Simulator {
    /// Begins to describe a simulator; see [`Config`] for the defaults.
    pub fn builder() -> SimulatorBuilder {
        SimulatorBuilder::default()
    }

    /// Makes a simulator from a whole configuration.
    ///
    /// # Errors
    ///
    /// Fails when a webhook's signing cannot be used, for instance because its secret is too short.
    pub fn new(config: Config) -> Result<Self, SigningUnusable> {
        Ok(Self { world: Arc::new(World::new(config)?) })
    }

    /// Answers the routes: the platform's API, the login, and the control.
    ///
    /// Effects and events that come later need [`Simulator::run`] beside it; [`Simulator::serve`] does both.
    pub fn router(&self) -> Router {
        Router::new()
            .merge(control::routes())
            .route("/channels/{channel}", any(socket_door::open))
            .route("/oauth/token", any(login::answer))
            .fallback(platform::answer)
            .layer(axum::extract::DefaultBodyLimit::max(platform::BODY_LIMIT))
            .with_state(Arc::clone(&self.world))
    }

    /// Lets accepted calls take effect and sends events, until cancelled. One run per simulator is enough.
    pub async fn run(&self, stop: CancellationToken) {
        Arc::clone(&self.world).run(stop).await;
    }

    /// Serves everything on a listener until cancelled. Requests under way are finished.
    ///
    /// # Errors
    ///
    /// Fails when the listener fails.
    pub async fn serve(&self, listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
        let listener = listener.tap_io(|stream| {
            // Answers are small; without this they wait for the peer's delayed acknowledgement.
            let _ = stream.set_nodelay(true);
        });
        let schedule = tokio::spawn({
            let (simulator, stop) = (self.clone(), stop.clone());
            async move { simulator.run(stop).await }
        });
        let served =
            axum::serve(listener, self.router()).with_graceful_shutdown(stop.cancelled_owned()).await;
        schedule.abort();
        served
    }

    /// Makes conversations and answers their ids in order.
    ///
    /// # Errors
    ///
    /// Fails when the id is taken, when one id is to serve several, or when there are too many.
    pub fn create(&self, wanted: &NewConversation) -> Result<Vec<CreatedConversation>, CannotCreate> {
        self.world.create(wanted)
    }

    /// Shows a conversation with what only the simulator knows, as `GET /_sim/conversations/{id}` does.
    pub fn conversation(&self, id: Uuid) -> Option<Value> {
        self.world.show(id)
    }

    /// Answers what the guest's page shows.
    pub fn guest_state(&self, id: Uuid) -> Option<GuestState> {
        self.world.remembered(id).map(|talk| talk.guest_state())
    }

    /// Lets a guest act; answers `false` when there is no such conversation.
    pub fn act_as_guest(&self, id: Uuid, act: GuestAct) -> bool {
        self.world.act_as_guest(id, act)
    }

    /// Replaces the faults of the whole run. `agent-connected` and `wrapup-required` strike new conversations only.
    pub fn set_chaos(&self, chaos: ChaosSpec) {
        self.world.set_general_chaos(chaos);
    }

    /// Replaces the faults of some conversations; unknown ids are passed over.
    pub fn set_chaos_of(&self, conversations: &[Uuid], chaos: &ChaosSpec) {
        self.world.set_chaos_of(conversations, chaos);
    }

    /// Replaces the webhooks.
    ///
    /// # Errors
    ///
    /// Fails when a webhook's signing cannot be used; the present ones stay then.
    pub fn set_webhooks(&self, webhooks: Vec<WebhookAdapter>) -> Result<(), SigningUnusable> {
        self.world.relay.replace_adapters(webhooks)
    }

    /// Adds an OAuth client, or replaces the one with the same id.
    pub fn admit_client(&self, client: OauthClient) {
        self.world.credentials.admit_client(client);
    }

    /// Gives a queue wrap-up codes of its own. Without, it has those that hold everywhere.
    pub fn set_wrap_up_codes(&self, queue: Uuid, codes: Vec<WrapUpCode>) {
        self.world.wrap_up_codes.set(queue, codes);
    }

    /// Does something to the sockets of all channels of notifications, or of one; answers to how many.
    pub fn act_on_sockets(&self, act: SocketAct, channel: Option<&str>) -> usize {
        self.world.act_on_sockets(act, channel)
    }

    /// Sends a frame on every socket that is subscribed to a topic, whether or not what it says has happened; answers on how
    /// many.
    pub fn tell_sockets(&self, topic: &str, frame: &Value) -> usize {
        self.world.sockets.send(topic, &frame.to_string()).0
    }

    /// Shows the channels of notifications.
    pub fn channels(&self) -> Vec<ShownChannel> {
        self.world.sockets.shown()
    }

    /// Pushes the simulator's clock forward; what is due by then happens at once.
    pub fn advance_clock(&self, by: Duration) {
        self.world.clock.advance(by);
        self.world.schedule.nudge();
    }

    /// Answers a part of the journal.
    pub fn journal(&self, query: &JournalQuery) -> JournalPage {
        self.world.journal.read(query, self.world.clock.now())
    }

    /// Judges everything since the start or the last reset.
    pub fn verdict(&self) -> Verdict {
        self.world.verdict()
    }

    /// Sends an event on demand and answers what each receiver said.
    ///
    /// # Errors
    ///
    /// Fails when there is no such conversation, participant or event, or nothing to replay.
    pub async fn trigger(&self, wanted: &Trigger) -> Result<Vec<TriggerResult>, CannotTrigger> {
        self.world.trigger(wanted).await
    }

    /// Forgets conversations, queues' own wrap-up codes, tokens, faults, journal and counts; clients and webhooks stay.
    pub fn reset(&self, seed: Option<u64>) {
        self.world.reset(seed);
    }
}

/// Describes a simulator step by step.
#[derive(Clone, Debug, Default)]
pub struct SimulatorBuilder {
    config: Config,
    own_clients: bool,
}

impl SimulatorBuilder {
    /// Sets the seed of every draw.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// Adds an OAuth client; the first one takes the place of the default client.
    #[must_use]
    pub fn client(mut self, client: OauthClient) -> Self {
        if !self.own_clients {
            self.config.clients.clear();
            self.own_clients = true;
        }
        self.config.clients.push(client);
        self
    }

    /// Sets how long a token is valid.
    #[must_use]
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.config.token_lifetime = lifetime;
        self
    }

    /// Sets the quota of each token.
    #[must_use]
    pub fn quota(mut self, quota: Quota) -> Self {
        self.config.quota = quota;
        self
    }

    /// Lets all tokens of a client share one quota.
    #[must_use]
    pub fn quota_of_clients(mut self, yes: bool) -> Self {
        self.config.quota_of_clients = yes;
        self
    }

    /// Sets the time between an accepted close and its effect.
    #[must_use]
    pub fn effect_delay(mut self, delay: DelayRange) -> Self {
        self.config.effect_delay = delay;
        self
    }

    /// Sets the time between a happening and the sending of its event.
    #[must_use]
    pub fn event_delay(mut self, delay: DelayRange) -> Self {
        self.config.event_delay = delay;
        self
    }

    /// Sets how far analytics lag behind.
    #[must_use]
    pub fn analytics_lag(mut self, lag: Duration) -> Self {
        self.config.analytics_lag = lag;
        self
    }

    /// Sets how many journal entries are kept.
    #[must_use]
    pub fn journal_capacity(mut self, entries: usize) -> Self {
        self.config.journal_capacity = entries;
        self
    }

    /// Adds a webhook.
    #[must_use]
    pub fn webhook(mut self, webhook: WebhookAdapter) -> Self {
        self.config.webhooks.push(webhook);
        self
    }

    /// Sets the wait before the first repeat of a failed delivery and the greatest number of tries.
    #[must_use]
    pub fn delivery_retries(mut self, backoff: Duration, attempts: u32) -> Self {
        self.config.retry_backoff = backoff;
        self.config.delivery_attempts = attempts.max(1);
        self
    }

    /// Sets the faults of the whole run.
    #[must_use]
    pub fn chaos(mut self, chaos: ChaosSpec) -> Self {
        self.config.chaos = chaos;
        self
    }

    /// Chooses what a wrap-up by a service leads to.
    #[must_use]
    pub fn service_wrap_up(mut self, outcome: ServiceWrapUp) -> Self {
        self.config.service_wrap_up = outcome;
        self
    }

    /// Chooses what is answered when somebody is disconnected who has already gone.
    #[must_use]
    pub fn repeated_disconnect(mut self, answer: RepeatedDisconnect) -> Self {
        self.config.repeated_disconnect = answer;
        self
    }

    /// Sets what the configuration of the Messenger deployment says.
    #[must_use]
    pub fn messenger(mut self, setting: MessengerSetting) -> Self {
        self.config.messenger = setting;
        self
    }

    /// Chooses a recipe to speak beside the platform's API.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.config.dialect = Some(dialect);
        self
    }

    /// Builds the simulator.
    ///
    /// # Errors
    ///
    /// Fails when a webhook's signing cannot be used, for instance because its secret is too short.
    pub fn build(self) -> Result<Simulator, SigningUnusable> {
        Simulator::new(self.config)
    }
}
