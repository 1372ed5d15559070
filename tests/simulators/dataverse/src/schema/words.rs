//! The words of which the platform makes its names: logical names run them together, schema names capitalize them.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

/// Words in the spelling that schema names give them.
const WORDS: &str = "
Access Account Accounts Active Activity Actual Address Admin Administrator Aging Alert Allowed Amount Anniversary
Annotation Annual Application Appointment Approval Approved Assistant Association Async Attributes Auth Auto
Availability Azure Backoffice Backordered Base Begin Behalf Bill Birth Body Box Budget Bulk Bundle Business By CAL
Calculated Call Callback Campaign Cancelled Cap Capture Category Change Changes Children Childrens City Claim
Classification Close Closed Code Comments Communication Company Competitors Complete Completed Component Composite
Configuration Confirm Connection Contact Contacts Contract Control Conversion Copied Correlation Cost Count Country
County Create Created Credit Currency Current Custom Customer Customization Date Day Days Deals Debrief Decimal
Decision Default Delete Delivered Delivery Department Deployment Depth Description Detail Develop Directory Disabled
Discount Display Division Do Document Domain Due Education Effective Email Employee Employees Enabled End Endpoint
Entity Error Estimated Evaluate Event Exchange Expand Expire Expires Extended Extension External Family Fax Feedback
File Filter Filtering Filters Final First Fit Followup Format Free Freight Friendly From Ftp Fulfilled Full Gender
Government Hand Handler Has Hi Hierarchy Hold Home Id Identifier Identify Image Import In Income Incoming Industry
Initial Installed Integration Interest Internal Invite Invocation Invoice Is ISO Item Job Kit Lang Language Last
Latitude Lead Less Level License Licensed Limit Line Live Lo Locked Longitude Mail Maker Managed Manager Manual Market
Master Meeting Membership Merged Message Method Middle Mime MM Mobile Mode Modified Name Names Namespace Need Nick Not
Note Number O365 Object Of Office Offset On Only Open Operation Opportunity Option Or Order Organization Oriented
Originating Outgoing Outstanding Overridden Overwrite Owner Ownership Owning Pager Pain Parent Part Participates
Passport Path Payment Per Percentage Personal Phone Photo Points Policy Populated Post Postal Postpone Postponed
Precision Preferred Prefix Present Price Pricing Primaries Primary Priority Private Probability Process Processing
Product Products Profile Property Proposal Proposed Prospect Province Publisher Purchase Pursuit Qualification Qualify
Quantity Quote Rank Rate Rating Read Reason Regarding Rep Request Requestor Resolve Retry Revenue Review Revision Role
Roles Root Rounding Router Rule Sales Salutation Save Saved Schedule Sdk Secondary Selling Send Sequence Service Set
Setup Share SharePoint Shares Ship Shipped Shipping SIC Site Situation Size Skills Solution SOP Source Spouses Stage
Standard Start Started State Status Step Stock Structure Subject Submit Suffix Supplier Supported Supporting Symbol
Sync System Tax Team Telephone Template Terms Territory Text Thank Ticker Time Timeframe Title To Total Tracking
Transact Transaction Traversed Type Unique Unit Until UoM Up UPS Url Us Used User Users UTC Valid Value Vendor Version
Views Visible Volume Web WebSite Weight Will Windows With Without Workflow Yammer Yomi You Zone
";

/// Letters of the longest word.
const LONGEST: usize = 16;

/// Words by their spelling in lower case, and as schema names write them.
fn words() -> &'static HashMap<String, &'static str> {
    static KNOWN: OnceLock<HashMap<String, &'static str>> = OnceLock::new();
    KNOWN.get_or_init(|| WORDS.split_whitespace().map(|word| (word.to_lowercase(), word)).collect())
}

/// The schema name of a logical name: `primarycontactid` is `PrimaryContactId`, `address1_line1` is `Address1_Line1`. `None` when a word
/// in it is not known.
#[must_use]
pub fn capitalized(name: &str) -> Option<String> {
    let parts: Option<Vec<String>> = name.split('_').map(part).collect();
    parts.map(|parts| parts.join("_"))
}

/// One part between underscores: words, then digits.
fn part(text: &str) -> Option<String> {
    let letters = text.trim_end_matches(|character: char| character.is_ascii_digit());
    let mut dead_ends = HashSet::new();
    split(letters, &mut dead_ends).map(|words| format!("{}{}", words.concat(), &text[letters.len()..]))
}

/// Words that make up a text, the longest possible ones first. `dead_ends` are the rests that are known not to be words.
fn split(text: &str, dead_ends: &mut HashSet<usize>) -> Option<Vec<&'static str>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    if dead_ends.contains(&text.len()) {
        return None;
    }
    for length in (1..=text.len().min(LONGEST)).rev() {
        if let Some(word) = text.get(..length).and_then(|start| words().get(start))
            && let Some(mut rest) = split(&text[length..], dead_ends)
        {
            rest.insert(0, word);
            return Some(rest);
        }
    }
    dead_ends.insert(text.len());
    None
}

#[cfg(test)]
mod tests {
    use super::capitalized;
    use crate::schema::{CustomNavigation, Schema, custom_table};

    #[test]
    fn f36_every_name_of_the_platform_is_made_of_known_words() {
        let schema = Schema::sales(CustomNavigation::default(), true).expect("the schema data are readable");
        let own = |name: &&str| !custom_table(name);
        for table in schema.living().filter(|table| own(&table.name.as_str())) {
            let columns = table.living_columns().map(|column| column.name.as_str());
            for name in columns.chain([table.name.as_str()]).filter(own) {
                let made = capitalized(name).unwrap_or_else(|| panic!("{}: no words make {name}", table.name));
                assert_eq!(made.to_lowercase(), name);
            }
        }
        assert_eq!(capitalized("primarycontactid").as_deref(), Some("PrimaryContactId"));
        assert_eq!(capitalized("address1_line1").as_deref(), Some("Address1_Line1"));
        assert_eq!(capitalized("xyzzy"), None);
    }
}
