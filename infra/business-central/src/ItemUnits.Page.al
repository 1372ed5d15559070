// Item Unit of Measure records for synchronization.
page 50105 "Couplet Item Units"
{
    PageType = API;
    Caption = 'Item Units', Locked = true;
    APIPublisher = 'couplet';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'itemUnitOfMeasure';
    EntitySetName = 'itemUnitsOfMeasure';
    SourceTable = "Item Unit of Measure";
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
                field(code; Rec.Code)
                {
                    Caption = 'Code';
                }
                field(qtyPerUnitOfMeasure; Rec."Qty. per Unit of Measure")
                {
                    Caption = 'Qty Per Unit Of Measure';
                }
                field(itemNo; Rec."Item No.")
                {
                    Caption = 'Item No';
                }
                field(reference; Reference)
                {
                    Caption = 'Reference';
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

    var
        Reference: Text[34];

    trigger OnAfterGetRecord()
    begin
        ShowReference();
    end;

    trigger OnInsertRecord(BelowxRec: Boolean): Boolean
    begin
        // The caller chooses the id, so that a repeated request meets the record of the first one.
        Rec.Insert(true, not IsNullGuid(Rec.SystemId));
        ShowReference();
        exit(false);
    end;

    trigger OnModifyRecord(): Boolean
    begin
        ShowReference();
        exit(true);
    end;

    local procedure ShowReference()
    begin
        // A code is unique among the units of one record only.
        Reference := Rec.Code + ' of ' + Rec."Item No.";
    end;
}
