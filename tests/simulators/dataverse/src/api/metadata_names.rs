//! Which properties each type of metadata has: those that the answers show, and those that the service has besides.

use std::collections::HashMap;

use serde_json::Value;

use crate::query::filter::{self, Expression, Operand};
use crate::query::options::outside_parentheses;
use crate::wire::error::{ApiError, ApiResult};

/// Navigation properties of a table's definition.
const OF_TABLES: &str = "Attributes Keys ManyToManyRelationships ManyToOneRelationships OneToManyRelationships";

/// Properties of a table's definition that the simulator does not show.
const UNSHOWN_OF_TABLES: &str = "
ActivityTypeMask AutoCreateAccessTeams AutoRouteToOwnerQueue CanBeInCustomEntityAssociation CanBeInManyToMany
CanBePrimaryEntityInRelationship CanBeRelatedEntityInRelationship CanCreateAttributes CanCreateCharts CanCreateForms CanCreateViews
CanEnableSyncToExternalSearchIndex CanModifyAdditionalSettings CanTriggerWorkflow CreatedOn DataSourceId DaysSinceRecordLastModified
EnforceStateTransitions EntityColor EntityHelpUrl EntityHelpUrlEnabled EntitySetting ExternalCollectionName ExternalName
HasEmailAddresses HasFeedback IconLargeName IconMediumName IconSmallName IconVectorName IntroducedVersion IsAIRUpdated
IsActivityParty IsArchivalEnabled IsAuditEnabled IsAvailableOffline IsBPFEntity IsBusinessProcessEnabled IsChildEntity
IsConnectionsEnabled IsDocumentManagementEnabled IsDocumentRecommendationsEnabled IsDuplicateDetectionEnabled IsEnabledForCharts
IsEnabledForExternalChannels IsEnabledForTrace IsImportable IsInteractionCentricEnabled IsKnowledgeManagementEnabled
IsMSTeamsIntegrationEnabled IsMailMergeEnabled IsMappable IsOfflineInMobileClient IsOneNoteIntegrationEnabled IsQuickCreateEnabled
IsReadOnlyInMobileClient IsReadingPaneEnabled IsRenameable IsRetentionEnabled IsRetrieveAuditEnabled IsRetrieveMultipleAuditEnabled
IsSLAEnabled IsSolutionAware IsStateModelAware IsValidForQueue IsVisibleInMobile IsVisibleInMobileClient MobileOfflineFilters
ModifiedOn OwnerId OwnerIdType OwningBusinessUnit Privileges RecurrenceBaseEntityLogicalName ReportViewName Settings
SyncToExternalSearchIndex UsesBusinessDataLabelTable";

/// Properties that columns of every type have and the answers show.
const OF_COLUMNS: &str = "
MetadataId LogicalName SchemaName EntityLogicalName AttributeType AttributeTypeName AttributeOf IsPrimaryId IsPrimaryName
IsCustomAttribute IsLogical IsManaged IsValidForCreate IsValidForUpdate IsValidForRead IsValidODataAttribute IsSecured
CanBeSecuredForCreate CanBeSecuredForRead CanBeSecuredForUpdate RequiredLevel DisplayName Description";

/// Properties that columns of every type have and the simulator does not show.
const UNSHOWN_OF_COLUMNS: &str = "
AutoNumberFormat CanModifyAdditionalSettings ColumnNumber CreatedOn DeprecatedVersion ExternalName HasChanged InheritsFrom
IntroducedVersion IsAuditEnabled IsCustomizable IsDataSourceSecret IsFilterable IsGlobalFilterEnabled IsRenameable IsRequiredForForm
IsRetrievable IsSearchable IsSortableEnabled IsValidForAdvancedFind IsValidForForm IsValidForGrid LinkedAttributeId ModifiedOn Settings
SourceType";

/// What columns of one type have besides, shown or not.
const OF_TYPES: &[(&str, &str)] = &[
    (
        "String",
        "DatabaseLength Format FormatName FormulaDefinition ImeMode IsLocalizable MaxLength SourceTypeMask YomiOf",
    ),
    ("Memo", "Format FormatName ImeMode IsLocalizable MaxLength"),
    ("Integer", "Format FormulaDefinition MaxValue MinValue SourceTypeMask"),
    ("BigInt", "MaxValue MinValue"),
    ("Decimal", "FormulaDefinition ImeMode MaxValue MinValue Precision SourceTypeMask"),
    ("Double", "ImeMode MaxValue MinValue Precision"),
    (
        "Money",
        "CalculationOf FormulaDefinition ImeMode IsBaseCurrency MaxValue MinValue Precision PrecisionSource SourceTypeMask",
    ),
    ("Boolean", "DefaultValue FormulaDefinition GlobalOptionSet OptionSet SourceTypeMask"),
    (
        "DateTime",
        "CanChangeDateTimeBehavior DateTimeBehavior Format FormulaDefinition ImeMode MaxSupportedValue MinSupportedValue SourceTypeMask",
    ),
    ("Lookup", "Format Targets"),
    (
        "Picklist",
        "ChildPicklistLogicalNames DefaultFormValue FormulaDefinition GlobalOptionSet OptionSet ParentPicklistLogicalName SourceTypeMask",
    ),
    ("State", "DefaultFormValue GlobalOptionSet OptionSet"),
    ("Status", "DefaultFormValue GlobalOptionSet OptionSet"),
    ("MultiSelectPicklist", "DefaultFormValue GlobalOptionSet OptionSet"),
    ("EntityName", "DefaultFormValue GlobalOptionSet IsEntityReferenceStored OptionSet"),
    ("UniqueIdentifier", ""),
];

/// Properties of relationships of both kinds that the answers show.
const OF_RELATIONSHIPS: &str = "MetadataId SchemaName RelationshipType";

/// Those that the simulator shows for one kind or not at all.
const UNSHOWN_OF_RELATIONSHIPS: &str = "
HasChanged IntroducedVersion IsCustomRelationship IsCustomizable IsManaged IsValidForAdvancedFind SecurityTypes";

/// Properties of one-to-many relationships.
const ONE_TO_MANY: &str = "
IsCustomRelationship ReferencedEntity ReferencedAttribute ReferencedEntityNavigationPropertyName ReferencingEntity ReferencingAttribute
ReferencingEntityNavigationPropertyName CascadeConfiguration";

/// Those that the simulator does not show.
const UNSHOWN_ONE_TO_MANY: &str = "
AssociatedMenuConfiguration DenormalizedAttributeName EntityKey IsDenormalizedLookup IsHierarchical
IsRelationshipAttributeDenormalized RelationshipAttributes RelationshipBehavior";

/// Properties of many-to-many relationships.
const MANY_TO_MANY: &str = "
IntersectEntityName Entity1LogicalName Entity1IntersectAttribute Entity1NavigationPropertyName Entity2LogicalName
Entity2IntersectAttribute Entity2NavigationPropertyName";

/// Those that the simulator does not show.
const UNSHOWN_MANY_TO_MANY: &str =
    "Entity1AssociatedMenuConfiguration Entity2AssociatedMenuConfiguration IntersectAttribute";

/// Properties of alternate keys.
const KEYS: &str = "
MetadataId SchemaName LogicalName EntityLogicalName KeyAttributes EntityKeyIndexStatus AsyncJob IsManaged DisplayName IsCustomizable
HasChanged";

/// Those that the simulator does not show.
const UNSHOWN_KEYS: &str = "CreatedOn IntroducedVersion IsExportKey IsSecondaryKey IsSynchronous ModifiedOn";

/// Properties of lists of options.
const OF_CHOICES: &str = "
MetadataId Name IsGlobal IsManaged IsCustomOptionSet OptionSetType DisplayName Description Options";

/// Those that the simulator does not show.
const UNSHOWN_OF_CHOICES: &str = "ExternalTypeName HasChanged IntroducedVersion IsCustomizable ParentOptionSetName";

/// A type of metadata, by the name that the service gives it: `EntityMetadata`, `StringAttributeMetadata`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MetadataType<'a>(pub &'a str);

impl MetadataType<'_> {
    /// The lists of names that the type has: shown ones, then unshown ones.
    fn names(self) -> (Vec<&'static str>, Vec<&'static str>) {
        match self.0 {
            "EntityMetadata" => (vec![OF_TABLES], vec![UNSHOWN_OF_TABLES]),
            "OptionSetMetadata" => (vec![OF_CHOICES], vec![UNSHOWN_OF_CHOICES]),
            "EntityKeyMetadata" => (vec![KEYS], vec![UNSHOWN_KEYS]),
            "OneToManyRelationshipMetadata" => {
                (vec![OF_RELATIONSHIPS, ONE_TO_MANY], vec![UNSHOWN_OF_RELATIONSHIPS, UNSHOWN_ONE_TO_MANY])
            }
            "ManyToManyRelationshipMetadata" => {
                (vec![OF_RELATIONSHIPS, MANY_TO_MANY], vec![UNSHOWN_OF_RELATIONSHIPS, UNSHOWN_MANY_TO_MANY])
            }
            "RelationshipMetadataBase" => (vec![OF_RELATIONSHIPS], vec![UNSHOWN_OF_RELATIONSHIPS]),
            other => {
                let own = other
                    .strip_suffix("AttributeMetadata")
                    .and_then(|kind| OF_TYPES.iter().find(|(of, _)| *of == kind).map(|(_, names)| *names));
                (vec![OF_COLUMNS], own.into_iter().chain([UNSHOWN_OF_COLUMNS]).collect())
            }
        }
    }

    /// Checks one name. `items` are what is asked; what they show, the type has.
    fn check(self, name: &str, items: &[Value]) -> ApiResult<()> {
        let listed = |lists: &[&str]| lists.iter().any(|list| list.split_whitespace().any(|known| known == name));
        let (shown, unshown) = self.names();
        // A column of a type shows more than what columns of every type have.
        let general = matches!(self.0, "AttributeMetadata" | "RelationshipMetadataBase");
        let there = !general && items.iter().any(|item| item.get(name).is_some());
        if there || listed(&shown) {
            return Ok(());
        }
        if listed(&unshown) {
            // What some items show is answered for them; what none shows is missing here.
            let some = items.is_empty() || items.iter().any(|item| item.get(name).is_some());
            return if some {
                Ok(())
            } else {
                Err(ApiError::not_supported(&format!("The property {name} of {}", self.0)))
            };
        }
        Err(ApiError::unknown_property(name, &format!("Microsoft.Dynamics.CRM.{}", self.0)))
    }

    /// Checks the names in `$select`, `$filter`, `$orderby` and `$expand`.
    ///
    /// # Errors
    /// When the type has no such property, or the simulator does not show it.
    pub(crate) fn check_options(self, options: &[(String, String)], items: &[Value]) -> ApiResult<()> {
        let aliases: HashMap<String, String> =
            options.iter().filter(|(name, _)| name.starts_with('@')).cloned().collect();
        for (option, text) in options {
            let names: Vec<String> = match option.as_str() {
                "$select" => text.split(',').map(|name| name.trim().to_owned()).collect(),
                "$expand" => outside_parentheses(text, ',')
                    .into_iter()
                    .map(|part| part.split('(').next().unwrap_or_default().trim().to_owned())
                    .collect(),
                "$orderby" => {
                    return Err(ApiError::odata("The query parameter $orderby is not supported for metadata."));
                }
                "$filter" => {
                    let parsed = filter::parse(text, &aliases).map_err(|error| ApiError::odata(error.to_string()))?;
                    let mut names = Vec::new();
                    first_names(&parsed, &mut names);
                    names
                }
                _ => continue,
            };
            for name in names.iter().filter(|name| !name.is_empty() && *name != "*") {
                self.check(name, items)?;
            }
        }
        Ok(())
    }
}

/// The first name of every path in a filter. Conditions inside of lambdas speak of their members, whose type is another.
fn first_names(expression: &Expression, found: &mut Vec<String>) {
    let mut path = |names: &[String]| found.extend(names.first().cloned());
    match expression {
        Expression::And(parts) | Expression::Or(parts) => parts.iter().for_each(|part| first_names(part, found)),
        Expression::Not(inner) => first_names(inner, found),
        Expression::Compare(left, _, right) => {
            for operand in [left, right] {
                if let Operand::Path(names) = operand {
                    path(names);
                }
            }
        }
        Expression::Text(_, names, _) | Expression::Dynamics { property: names, .. } => path(names),
        Expression::Truth(Operand::Path(names)) => path(names),
        Expression::Truth(Operand::Literal(_)) => {}
        Expression::Lambda { path: names, .. } => path(names),
    }
}
