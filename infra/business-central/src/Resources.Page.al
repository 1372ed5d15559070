// Resource records for synchronization.
page 50108 "Couplet Resources"
{
    PageType = API;
    Caption = 'Resources', Locked = true;
    APIPublisher = 'couplet';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'resource';
    EntitySetName = 'resources';
    SourceTable = Resource;
    ODataKeyFields = SystemId;
    DelayedInsert = true;
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
                field(number; Rec."No.")
                {
                    Caption = 'Number';
                }
                field(displayName; Rec.Name)
                {
                    Caption = 'Display Name';
                }
                field(unitPrice; Rec."Unit Price")
                {
                    Caption = 'Unit Price';
                }
                field(unitCost; Rec."Unit Cost")
                {
                    Caption = 'Unit Cost';
                }
                field(vendorNo; Rec."Vendor No.")
                {
                    Caption = 'Vendor No';
                }
                field(capacity; Rec.Capacity)
                {
                    Caption = 'Capacity';
                    Editable = false;
                }
                field(baseUnitOfMeasureCode; Rec."Base Unit of Measure")
                {
                    Caption = 'Base Unit Of Measure Code';
                }
                field(vendorName; VendorName)
                {
                    Caption = 'Vendor Name';
                    Editable = false;
                }
                field(blocked; Rec.Blocked)
                {
                    Caption = 'Blocked';
                }
                field(lastModifiedDateTime; Rec.SystemModifiedAt)
                {
                    Caption = 'Last Modified Date Time';
                    Editable = false;
                }
            }
        }
    }

    var
        VendorName: Text[100];

    trigger OnAfterGetRecord()
    begin
        VendorName := NameOfVendor(Rec."Vendor No.");
    end;

    local procedure NameOfVendor(VendorNo: Code[20]): Text[100]
    var
        Vendor: Record Vendor;
    begin
        Vendor.SetLoadFields(Name);
        if VendorNo <> '' then
            if Vendor.Get(VendorNo) then
                exit(Vendor.Name);
        exit('');
    end;
}
