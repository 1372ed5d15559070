//! What a user set stays, and an update that the service ignores is not noted as agreed.
