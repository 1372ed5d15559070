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
                field(baseUnitOfMeasureCode; BaseUnitOfMeasureCode)
                {
                    Caption = 'Base Unit Of Measure Code';

                    trigger OnValidate()
                    begin
                        BaseUnitIsGiven := true;
                    end;
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
        BaseUnitOfMeasureCode: Code[10];
        BaseUnitIsGiven: Boolean;
        NewRecord: Codeunit "Couplet New Record";

    trigger OnAfterGetRecord()
    begin
        ShowCalculated();
    end;

    trigger OnInsertRecord(BelowxRec: Boolean): Boolean
    var
        Inserted: RecordRef;
    begin
        // The caller chooses the id, so that a repeated request meets the record of the first one.
        Rec.Insert(true, not IsNullGuid(Rec.SystemId));
        // The validation adds a unit to the item, which has its number only now.
        if BaseUnitIsGiven then
            Rec.Validate("Base Unit of Measure", BaseUnitOfMeasureCode);
        Inserted.GetTable(Rec);
        NewRecord.ApplyTemplate(Inserted);
        Inserted.SetTable(Rec);
        Rec.Modify(true);
        ShowCalculated();
        exit(false);
    end;

    trigger OnModifyRecord(): Boolean
    begin
        if BaseUnitIsGiven then
            Rec.Validate("Base Unit of Measure", BaseUnitOfMeasureCode);
        exit(true);
    end;

    local procedure ShowCalculated()
    begin
        VendorName := NameOfVendor(Rec."Vendor No.");
        BaseUnitOfMeasureCode := Rec."Base Unit of Measure";
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
