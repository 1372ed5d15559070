// What company contacts are to the company: customers, vendors. Business Central keeps the rows itself.
page 50140 "Couplet Contact Relations"
{
    PageType = API;
    Caption = 'Contact Business Relations', Locked = true;
    APIPublisher = 'couplet';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'contactBusinessRelation';
    EntitySetName = 'contactBusinessRelations';
    SourceTable = "Contact Business Relation";
    ODataKeyFields = SystemId;
    DelayedInsert = true;
    InsertAllowed = false;
    ModifyAllowed = false;
    DeleteAllowed = false;
    Editable = false;
    Extensible = false;

    layout
    {
        area(Content)
        {
            repeater(Records)
            {
                field(id; Rec.SystemId)
                {
                    Caption = 'Id';
                    Editable = false;
                }
                field(contactNumber; Rec."Contact No.")
                {
                    Caption = 'Contact Number';
                    Editable = false;
                }
                field(businessRelationCode; Rec."Business Relation Code")
                {
                    Caption = 'Business Relation Code';
                    Editable = false;
                }
                field(linkToTable; Rec."Link to Table")
                {
                    Caption = 'Link To Table';
                    Editable = false;
                }
                field(number; Rec."No.")
                {
                    Caption = 'Number';
                    Editable = false;
                }
                field(lastModifiedDateTime; Rec.SystemModifiedAt)
                {
                    Caption = 'Last Modified Date Time';
                    Editable = false;
                }
            }
        }
    }
}
