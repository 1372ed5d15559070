// Countries and regions with their ISO codes, to recognize what people write in addresses.
page 50117 "Couplet Countries"
{
    PageType = API;
    Caption = 'Countries', Locked = true;
    APIPublisher = 'couplet';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'country';
    EntitySetName = 'countries';
    SourceTable = "Country/Region";
    ODataKeyFields = SystemId;
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
                field(code; Rec.Code)
                {
                    Caption = 'Code';
                }
                field(isoCode; Rec."ISO Code")
                {
                    Caption = 'ISO Code';
                }
                field(displayName; Rec.Name)
                {
                    Caption = 'Display Name';
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
