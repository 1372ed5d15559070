//! API pages refuse an id, number series refuse numbers, validations run before the insert: nothing is created twice.
