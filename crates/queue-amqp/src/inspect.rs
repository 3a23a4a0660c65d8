//! Looks at the settings of a queue, by declaring it with others and reading why that is refused. Changes nothing.

use lapin::{
    Connection, Error, ErrorKind,
    options::QueueDeclareOptions,
    types::{AMQPValue, FieldTable, ShortString},
};

use crate::{
    message::short,
    shown::{Difference, Shown, Value, difference},
};

/// How many differences are asked for at most: there are about twenty settings.
const MOST: usize = 32;

/// An argument that no queue has, and with which none can be declared: so a queue that is deleted just then is not made anew.
const GUARD: (&str, &str) = ("x-queue-type", "closeout-looks");

/// The code of a refusal that names a difference (`precondition-failed`).
const PRECONDITION_FAILED: u16 = 406;

/// The settings of a queue, as far as the broker shows them to this user.
///
/// # Errors
///
/// The queue is not there, or the connection is gone.
pub(crate) async fn inspect(connection: &Connection, queue: &str) -> Result<Shown, Error> {
    let name = short(queue).unwrap_or_default();
    let channel = connection.create_channel().await?;
    channel
        .queue_declare(name.clone(), QueueDeclareOptions::default().passive(), FieldTable::default())
        .await?;
    let mut shown = Shown::default();
    shown.flags.insert("durable".to_owned(), true);
    shown.flags.insert("auto_delete".to_owned(), false);
    for _ in 0..MOST {
        let Some(difference) = ask(connection, &name, &shown).await? else { break };
        match difference {
            Difference::Flag(name, flag) => {
                shown.flags.insert(name, flag);
            }
            // The last that is compared.
            Difference::Argument(name, value) if name == GUARD.0 => {
                shown.arguments.extend(value.map(|value| (name, value)));
                return Ok(shown);
            }
            Difference::Argument(name, Some(value)) => {
                shown.arguments.insert(name, value);
            }
            Difference::Argument(name, None) => {
                shown.arguments.remove(&name);
            }
        }
    }
    // What the broker says is not understood, or not said to this user: nothing is known, so nothing is warned of.
    Ok(Shown::silent())
}

/// Declares the queue as it is known so far. Nothing where the refusal names no difference.
async fn ask(
    connection: &Connection,
    queue: &ShortString,
    shown: &Shown,
) -> Result<Option<Difference>, Error> {
    let flag = |name: &str| shown.flags.get(name).copied().unwrap_or_default();
    let options = QueueDeclareOptions {
        durable: flag("durable"),
        auto_delete: flag("auto_delete"),
        ..QueueDeclareOptions::default()
    };
    let mut arguments = FieldTable::default();
    for (name, value) in &shown.arguments {
        if let Some(name) = short(name) {
            arguments.insert(name, amqp(value));
        }
    }
    arguments.insert(GUARD.0.into(), AMQPValue::LongString(GUARD.1.into()));
    let channel = connection.create_channel().await?;
    let Err(error) = channel.queue_declare(queue.clone(), options, arguments).await else { return Ok(None) };
    if let ErrorKind::ProtocolError(said) = error.kind()
        && said.get_id() == PRECONDITION_FAILED
    {
        return Ok(difference(said.get_message().as_str()));
    }
    // Else the user may not declare it, it is another's alone, or the like.
    if error.is_amqp_soft_error() { Ok(None) } else { Err(error) }
}

fn amqp(value: &Value) -> AMQPValue {
    match value {
        Value::Text(text) => AMQPValue::LongString(text.as_str().into()),
        Value::Whole(number) => AMQPValue::LongLongInt(*number),
        Value::Flag(flag) => AMQPValue::Boolean(*flag),
    }
}
