// Unit Group records for synchronization. Business Central keeps them itself, one for each item and resource.
page 50104 "Couplet Unit Groups"
{
    PageType = API;
    Caption = 'Unit Groups', Locked = true;
    APIPublisher = 'couplet';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'unitGroup';
    EntitySetName = 'unitGroups';
    SourceTable = "Unit Group";
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
                field(sourceNo; Rec."Source No.")
                {
                    Caption = 'Source No';
                    Editable = false;
                }
                field(sourceType; Rec."Source Type")
                {
                    Caption = 'Source Type';
                    Editable = false;
                }
                field(sourceId; Rec."Source Id")
                {
                    Caption = 'Source Id';
                    Editable = false;
                }
                field(code; Rec.GetCode())
                {
                    Caption = 'Code';
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
