//! Conditions with their values, put together for one question.

use tokio_postgres::types::ToSql;

use crate::text::written;

/// A value of a question.
type Value = Box<dyn ToSql + Sync + Send>;

/// Conditions that all have to hold.
#[derive(Default)]
pub(crate) struct Query {
    condition: String,
    values: Vec<Value>,
}

impl Query {
    pub(crate) fn and(&mut self, condition: &str) {
        if !self.condition.is_empty() {
            self.condition.push_str(" AND ");
        }
        self.condition.push_str(condition);
    }

    /// The condition and, after it, the value; nothing where there is no value.
    pub(crate) fn and_value(&mut self, condition: &str, value: Option<impl ToSql + Sync + Send + 'static>) {
        if let Some(value) = value {
            let place = self.place(value);
            self.and(&format!("{condition} {place}"));
        }
    }

    /// The column is one of these names; any, where there are none.
    pub(crate) fn and_one_of(&mut self, column: &str, names: &[String]) {
        if !names.is_empty() {
            let names: Vec<String> = names.iter().map(|name| written(name).into_owned()).collect();
            let place = self.place(names);
            self.and(&format!("{column} = ANY ({place})"));
        }
    }

    /// Keeps a value and answers how it is named.
    pub(crate) fn place(&mut self, value: impl ToSql + Sync + Send + 'static) -> String {
        self.values.push(Box::new(value));
        format!("${}", self.values.len())
    }

    pub(crate) fn condition(&self) -> &str {
        if self.condition.is_empty() { "true" } else { &self.condition }
    }

    pub(crate) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect()
    }
}

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Query").field(&self.condition).finish()
    }
}
