//! A route of a dialect, and how a request finds it.

use http::Method;
use serde_json::Value;
use uuid::Uuid;

use super::Dialect;
use crate::ledger::CloseTarget;
use crate::operation::{RequestBody, uuid};
use crate::platform::Reply;
use crate::publishing::Waiting;
use crate::refusal::Refusal;
use crate::world::World;

/// What a route does. What is put into the last argument is waited for before the reply is sent.
type Act = fn(&World, Ids, &Value, &mut Waiting) -> Result<Reply, Refusal>;

/// What a call with this body asks to close; nothing when the body asks for something else, or is wrong.
type Closes = fn(Ids, &Value) -> Option<CloseTarget>;

/// One line of a dialect's table.
#[derive(Debug)]
pub(crate) struct Route {
    pub method: Method,
    /// What follows `/api/v2/conversations/`; a word in braces stands for an id.
    pub path: &'static str,
    /// The permissions of which one is needed.
    pub permissions: &'static [&'static str],
    pub body: RequestBody,
    /// Only a call that closes something changes a conversation.
    pub closes: Option<Closes>,
    pub act: Act,
}

/// The ids of a path; nil where the path has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ids {
    pub conversation: Uuid,
    pub participant: Uuid,
    pub session: Uuid,
}

/// A request that fits a route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    route: &'static Route,
    ids: Ids,
}

impl PartialEq for Call {
    /// Each route stands once in one table, so its place tells it from the others.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.route, other.route) && self.ids == other.ids
    }
}

impl Eq for Call {}

/// Finds the route of a request that the platform does not know; `unknown` is what it would answer.
pub(crate) fn find(dialect: Dialect, method: &Method, path: &str, unknown: Refusal) -> Result<Call, Refusal> {
    let Some(path) = path.strip_prefix("/api/v2/conversations/") else { return Err(unknown) };
    let at_this_path = || dialect.routes().iter().filter(|route| route.fits(path));
    match at_this_path().find(|route| route.method == *method) {
        Some(route) => Ok(Call { route, ids: route.ids(path)? }),
        None if unknown.status == 404 && at_this_path().next().is_some() => {
            Err(Refusal::method_not_allowed())
        }
        None => Err(unknown),
    }
}

impl Route {
    fn fits(&self, path: &str) -> bool {
        let mut parts = path.split('/');
        let fits = self
            .path
            .split('/')
            .all(|wanted| parts.next().is_some_and(|part| is_id(wanted) || wanted == part));
        fits && parts.next().is_none()
    }

    fn ids(&self, path: &str) -> Result<Ids, Refusal> {
        let mut ids = Ids::default();
        for (name, part) in self.path.split('/').zip(path.split('/')) {
            match name {
                "{conversation}" => ids.conversation = uuid(part)?,
                "{participant}" => ids.participant = uuid(part)?,
                "{session}" => ids.session = uuid(part)?,
                _ => {}
            }
        }
        Ok(ids)
    }
}

fn is_id(name: &str) -> bool {
    name.starts_with('{')
}

impl Call {
    /// Answers the conversation that the path names.
    pub(crate) fn conversation(&self) -> Option<Uuid> {
        Some(self.ids.conversation).filter(|id| !id.is_nil())
    }

    /// Answers the permissions of which one is needed.
    pub(crate) fn permissions(&self) -> &'static [&'static str] {
        self.route.permissions
    }

    /// Answers whether the call brings a JSON body.
    pub(crate) fn body(&self) -> RequestBody {
        self.route.body
    }

    /// Answers whether the call changes a conversation.
    pub(crate) fn is_write(&self) -> bool {
        self.route.closes.is_some()
    }

    /// Answers what the call asks to close.
    pub(crate) fn closes(&self, body: &Value) -> Option<CloseTarget> {
        self.route.closes.and_then(|closes| closes(self.ids, body))
    }

    /// Carries the call out; what is put into `early` is to be waited for before the reply is sent.
    pub(crate) fn perform(&self, world: &World, body: &Value, early: &mut Waiting) -> Result<Reply, Refusal> {
        (self.route.act)(world, self.ids, body, early)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11";

    fn found(dialect: Dialect, method: &Method, path: &str) -> Result<Call, u16> {
        let path = format!("/api/v2/conversations/{path}");
        find(dialect, method, &path, Refusal::not_found()).map_err(|refusal| refusal.status)
    }

    #[test]
    fn the_words_in_braces_are_found_in_a_path_of_each_route() {
        for route in Dialect::ALL.into_iter().flat_map(Dialect::routes) {
            let names: Vec<&str> = route.path.split('/').filter(|name| is_id(name)).collect();
            let known = ["{conversation}", "{participant}", "{session}"];
            assert!(names.iter().all(|name| known.contains(name)), "{}", route.path);
            let path: Vec<&str> =
                route.path.split('/').map(|name| if is_id(name) { ID } else { name }).collect();
            assert!(route.fits(&path.join("/")), "{}", route.path);
        }
    }

    #[test]
    fn a_request_is_found_by_method_path_and_ids() {
        let dialect = Dialect::WebmessagingSessions;
        let call = found(dialect, &Method::PATCH, &format!("webmessaging/{ID}/sessions/{ID}")).unwrap();
        assert_eq!((call.ids.session.to_string().as_str(), call.ids.participant), (ID, Uuid::nil()));
        assert_eq!(found(dialect, &Method::POST, "query").unwrap().conversation(), None);
        assert_eq!(found(dialect, &Method::GET, "query").unwrap_err(), 405);
        assert_eq!(found(dialect, &Method::GET, "webmessaging/abc").unwrap_err(), 400);
        assert_eq!(found(dialect, &Method::GET, &format!("webmessaging/{ID}/sessions")).unwrap_err(), 404);
        assert_eq!(found(Dialect::ConversationPost, &Method::POST, "query/more").unwrap_err(), 404);
    }
}
