// Item records for synchronization.
page 50107 "Couplet Items"
{
    PageType = API;
    Caption = 'Items', Locked = true;
    APIPublisher = 'couplet';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'item';
    EntitySetName = 'items';
    SourceTable = Item;
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
                field(displayName; Rec.Description)
                {
                    Caption = 'Display Name';
                }
                field(blocked; Rec.Blocked)
                {
                    Caption = 'Blocked';
                }
                field(inventory; Rec.Inventory)
                {
                    Caption = 'Inventory';
                    Editable = false;
                }
                field(unitPrice; Rec."Unit Price")
                {
                    Caption = 'Unit Price';
                }
                field(unitCost; Rec."Unit Cost")
                {
                    Caption = 'Unit Cost';
                }
                field(baseUnitOfMeasureCode; Rec."Base Unit of Measure")
                {
                    Caption = 'Base Unit Of Measure Code';
                }
                field(lastModifiedDateTime; Rec.SystemModifiedAt)
                {
                    Caption = 'Last Modified Date Time';
                    Editable = false;
                }
                field(unitVolume; Rec."Unit Volume")
                {
                    Caption = 'Unit Volume';
                }
                field(grossWeight; Rec."Gross Weight")
                {
                    Caption = 'Gross Weight';
                }
                field(vendorNo; Rec."Vendor No.")
                {
                    Caption = 'Vendor No';
                }
                field(vendorItemNo; Rec."Vendor Item No.")
                {
                    Caption = 'Vendor Item No';
                }
                field(vendorName; VendorName)
                {
                    Caption = 'Vendor Name';
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
