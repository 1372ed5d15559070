//! Creating the table, for the embedded cloud and for tests. In AWS the template does it.

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableStatus,
    TimeToLiveSpecification, TimeToLiveStatus,
};

use crate::Store;
use crate::error::StoreError;
use crate::item::EXPIRES;

/// How often and how long to look for the new table: two minutes in all.
const LOOKS: u32 = 240;
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

impl Store {
    /// Creates the table, billed on demand, with its time to live. Does nothing when it is there.
    ///
    /// # Errors
    /// When DynamoDB refuses, or the table does not become active in time.
    pub async fn create_table_if_absent(&self) -> Result<(), StoreError> {
        let refused = |error: aws_sdk_dynamodb::error::BuildError| StoreError::Refused(error.to_string());
        let mut create = self.client.create_table().table_name(&*self.table).billing_mode(BillingMode::PayPerRequest);
        for (name, role) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
            create = create
                .key_schema(KeySchemaElement::builder().attribute_name(name).key_type(role).build().map_err(refused)?)
                .attribute_definitions(
                    AttributeDefinition::builder()
                        .attribute_name(name)
                        .attribute_type(ScalarAttributeType::S)
                        .build()
                        .map_err(refused)?,
                );
        }
        match create.send().await {
            Ok(_) => {}
            Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_in_use_exception()) => {}
            Err(error) => return Err(self.failed(&error)),
        }
        self.await_table().await?;
        self.enable_time_to_live().await
    }

    async fn await_table(&self) -> Result<(), StoreError> {
        for _ in 0..LOOKS {
            let answer = self
                .client
                .describe_table()
                .table_name(&*self.table)
                .send()
                .await
                .map_err(|error| self.failed(&error))?;
            if answer.table.and_then(|table| table.table_status) == Some(TableStatus::Active) {
                return Ok(());
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        Err(StoreError::Unreachable(format!("the table {} does not become active", self.table)))
    }

    async fn enable_time_to_live(&self) -> Result<(), StoreError> {
        let answer = self
            .client
            .describe_time_to_live()
            .table_name(&*self.table)
            .send()
            .await
            .map_err(|error| self.failed(&error))?;
        let status = answer.time_to_live_description.and_then(|description| description.time_to_live_status);
        if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
            return Ok(());
        }
        let specification = TimeToLiveSpecification::builder()
            .attribute_name(EXPIRES)
            .enabled(true)
            .build()
            .map_err(|error| StoreError::Refused(error.to_string()))?;
        self.client
            .update_time_to_live()
            .table_name(&*self.table)
            .time_to_live_specification(specification)
            .send()
            .await
            .map_err(|error| self.failed(&error))?;
        Ok(())
    }
}
