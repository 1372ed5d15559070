// Resource Unit of Measure records for synchronization.
page 50106 "Couplet Resource Units"
{
    PageType = API;
    Caption = 'Resource Units', Locked = true;
    APIPublisher = 'couplet';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'resourceUnitOfMeasure';
    EntitySetName = 'resourceUnitsOfMeasure';
    SourceTable = "Resource Unit of Measure";
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
                field(resourceNo; Rec."Resource No.")
                {
                    Caption = 'Resource No';
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
        Reference := Rec.Code + ' of ' + Rec."Resource No.";
    end;
}
