//! What an item must look like and how it changes, in DynamoDB's expression language.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

/// An update, a condition, or both, with what the placeholders stand for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    update: Option<String>,
    condition: Option<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Terms {
    /// An update.
    pub fn update_with(expression: impl Into<String>) -> Self {
        Self { update: Some(expression.into()), ..Self::default() }
    }

    /// Only a condition.
    pub fn only_if(condition: impl Into<String>) -> Self {
        Self { condition: Some(condition.into()), ..Self::default() }
    }

    /// The item must not be there.
    pub fn absent() -> Self {
        Self::only_if("attribute_not_exists(pk)")
    }

    /// Removes another attribute, behind the last clause of the update, which removes some.
    pub fn and_remove(mut self, attribute: &str) -> Self {
        self.update = self.update.map(|update| format!("{update}, {attribute}"));
        self
    }

    /// Adds the condition.
    pub fn when(mut self, condition: impl Into<String>) -> Self {
        self.condition = Some(condition.into());
        self
    }

    /// `#attribute` stands for the attribute of that name. For names DynamoDB reserves.
    pub fn name(mut self, attribute: &str) -> Self {
        self.names.insert(format!("#{attribute}"), attribute.to_owned());
        self
    }

    /// What `:name` stands for.
    pub fn value(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.insert(format!(":{name}"), value);
        self
    }

    pub fn update(&self) -> Option<String> {
        self.update.clone()
    }

    pub fn condition(&self) -> Option<String> {
        self.condition.clone()
    }

    pub fn names(&self) -> Option<HashMap<String, String>> {
        (!self.names.is_empty()).then(|| self.names.clone())
    }

    pub fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}
