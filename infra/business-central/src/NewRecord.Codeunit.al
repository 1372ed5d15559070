// What the standard API does after an insert: the company's configuration templates fill in what a new record still lacks.
codeunit 50133 "Couplet New Record"
{
    Access = Internal;

    // Applies the template that the selection rules choose. Values that differ from those of an empty record were given
    // by the caller, or made by the insert, and stay.
    procedure ApplyTemplate(var NewRecord: RecordRef)
    var
        TempGiven: Record "Field" temporary;
        GraphMgtGeneralTools: Codeunit "Graph Mgt - General Tools";
        EmptyRecord: RecordRef;
        NewField: FieldRef;
        Index: Integer;
    begin
        EmptyRecord.Open(NewRecord.Number());
        EmptyRecord.Init();
        for Index := 1 to NewRecord.FieldCount() do begin
            NewField := NewRecord.FieldIndex(Index);
            if NewField.Class = FieldClass::Normal then
                if Format(NewField.Value()) <> Format(EmptyRecord.Field(NewField.Number()).Value()) then begin
                    TempGiven.Init();
                    TempGiven.TableNo := NewRecord.Number();
                    TempGiven."No." := NewField.Number();
                    TempGiven.Insert();
                end;
        end;
        GraphMgtGeneralTools.ProcessNewRecordFromAPI(NewRecord, TempGiven, CurrentDateTime());
    end;
}
