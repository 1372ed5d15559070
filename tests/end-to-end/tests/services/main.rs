//! What real services and real data do, number by number: each module reproduces one fault that was seen outside and shows
//! that Couplet withstands it.

mod f01_creating_in_business_central;
mod f02_unreadable_columns;
mod f03_exchange_rates;
mod f04_text;
mod f05_precision_and_dates;
mod f06_refused_fields;
mod f07_merged_accounts;
mod f08_ignored_updates;
mod f09_late_commits;
mod f10_own_writes;
mod f11_lost_store;
mod f12_restored_systems;
mod f13_one_organization;
mod f14_claims;
mod f14_killed_processes;
mod f15_deleted_records;
mod f16_damaged_disk;
mod f17_all_calls;
mod f17_one_bad_record;
mod f18_broken_answers;
mod f19_slow_bulks;
mod f20_outages;
mod f21_half_failed_runs;
mod f22_full_stays_full;
mod f23_no_answer_of_the_service;
mod f24_pauses;
mod f25_waiting_records;
mod f26_bounds;
mod f27_links_that_lead_away;
mod f28_values_in_logs;
mod f30_forged_messages;
mod f32_loops;
mod f33_failing_runs;
