//! Why a leg ended, in the three spellings that the service uses.

/// Why a communication ended. REST writes lower case with dots (`session.expired`), detail events upper case
/// (`SESSION_EXPIRED`), analytics camel case (`sessionExpired`); all three parse to the same value (API.md §1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DisconnectType {
    /// The participant's own device.
    Endpoint,
    /// An application, as by an API call.
    Client,
    /// The service itself.
    System,
    /// Another participant took over; the leg's end is not the end of the guest.
    Transfer,
    /// A lost connection.
    TransportFailure,
    /// An error.
    Error,
    /// The other side ended.
    Peer,
    /// Ended as spam.
    Spam,
    /// Nobody wrote for too long.
    Inactivity,
    /// The guest's session ran out.
    SessionExpired,
    /// Another session took over.
    Takeover,
    /// A timeout.
    Timeout,
    /// A value that is not known here, or `other`.
    Other,
}

impl DisconnectType {
    /// Parses any of the three spellings. Never fails: what is unknown is `Other`.
    pub fn parse(text: &str) -> Self {
        let folded: String =
            text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        match folded.as_str() {
            "endpoint" | "endpointdonotdisturb" | "endpointdnd" => Self::Endpoint,
            "client" => Self::Client,
            "system" => Self::System,
            "transportfailure" => Self::TransportFailure,
            "error" => Self::Error,
            "peer" => Self::Peer,
            "spam" => Self::Spam,
            "inactivity" => Self::Inactivity,
            "sessionexpired" => Self::SessionExpired,
            "takeover" => Self::Takeover,
            "timeout" => Self::Timeout,
            transfer if transfer.starts_with("transfer") => Self::Transfer,
            _ => Self::Other,
        }
    }

    /// Returns the spelling of the REST API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Client => "client",
            Self::System => "system",
            Self::Transfer => "transfer",
            Self::TransportFailure => "transport.failure",
            Self::Error => "error",
            Self::Peer => "peer",
            Self::Spam => "spam",
            Self::Inactivity => "inactivity",
            Self::SessionExpired => "session.expired",
            Self::Takeover => "takeover",
            Self::Timeout => "timeout",
            Self::Other => "other",
        }
    }

    /// Whether a leg that ended so was handed on: a transfer or a takeover ends a leg, never the guest's session.
    pub const fn hands_on(self) -> bool {
        match self {
            Self::Transfer | Self::Takeover => true,
            Self::Endpoint
            | Self::Client
            | Self::System
            | Self::TransportFailure
            | Self::Error
            | Self::Peer
            | Self::Spam
            | Self::Inactivity
            | Self::SessionExpired
            | Self::Timeout
            | Self::Other => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_spellings_mean_the_same() {
        for text in ["session.expired", "SESSION_EXPIRED", "sessionExpired"] {
            assert_eq!(DisconnectType::parse(text), DisconnectType::SessionExpired, "{text}");
        }
        for text in ["transfer.dnd", "TRANSFER", "transfer.noanswer", "transferDoNotDisturb"] {
            assert!(DisconnectType::parse(text).hands_on(), "{text}");
        }
        assert_eq!(DisconnectType::parse("a value of next year"), DisconnectType::Other);
    }

    #[test]
    fn a_name_parses_to_itself() {
        for text in
            ["endpoint", "client", "system", "transfer", "transport.failure", "peer", "timeout", "takeover"]
        {
            assert_eq!(DisconnectType::parse(text).name(), text);
        }
    }
}
