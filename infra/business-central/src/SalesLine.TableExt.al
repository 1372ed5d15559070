// Lets lines be filtered by the id of their order, which the table itself does not hold.
tableextension 50131 "Couplet Sales Line" extends "Sales Line"
{
    fields
    {
        field(50130; "Couplet Document Id"; Guid)
        {
            Caption = 'Document Id', Locked = true;
            FieldClass = FlowField;
            CalcFormula = lookup("Sales Header".SystemId where("Document Type" = field("Document Type"), "No." = field("Document No.")));
            Editable = false;
        }
    }
}
