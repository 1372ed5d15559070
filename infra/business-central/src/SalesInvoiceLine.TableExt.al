// Lets lines be filtered by the id of their posted invoice, which the table itself does not hold.
tableextension 50134 "Couplet Sales Invoice Line" extends "Sales Invoice Line"
{
    fields
    {
        field(50130; "Couplet Document Id"; Guid)
        {
            Caption = 'Document Id', Locked = true;
            FieldClass = FlowField;
            CalcFormula = lookup("Sales Invoice Header".SystemId where("No." = field("Document No.")));
            Editable = false;
        }
    }
}
