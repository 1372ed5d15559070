// Lets lines be filtered by the id of the archived version they belong to, which the table itself does not hold.
tableextension 50141 "Couplet Sales Line Archive" extends "Sales Line Archive"
{
    fields
    {
        field(50130; "Couplet Document Id"; Guid)
        {
            Caption = 'Document Id', Locked = true;
            FieldClass = FlowField;
            CalcFormula = lookup("Sales Header Archive".SystemId where("Document Type" = field("Document Type"), "No." = field("Document No."), "Doc. No. Occurrence" = field("Doc. No. Occurrence"), "Version No." = field("Version No.")));
            Editable = false;
        }
    }
}
