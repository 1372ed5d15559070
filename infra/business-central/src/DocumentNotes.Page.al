// Notes of orders and quotes.
page 50137 "Couplet Document Notes"
{
    PageType = API;
    Caption = 'Sales Document Notes', Locked = true;
    APIPublisher = 'couplet';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'salesDocumentNote';
    EntitySetName = 'salesDocumentNotes';
    SourceTable = "Record Link";
    SourceTableView = where(Type = const(Note));
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
                field(documentId; DocumentId)
                {
                    Caption = 'Document Id';
                }
                field(documentType; DocumentType)
                {
                    Caption = 'Document Type';
                    Editable = false;
                }
                field(subject; Rec.Description)
                {
                    Caption = 'Subject';
                }
                field(text; NoteText)
                {
                    Caption = 'Text';

                    trigger OnValidate()
                    begin
                        TextIsGiven := true;
                    end;
                }
                field(createdDateTime; Rec.Created)
                {
                    Caption = 'Created Date Time';
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
        DocumentId: Guid;
        DocumentType: Enum "Couplet Noted Document";
        NoteText: Text;
        TextIsGiven: Boolean;
        NoDocumentErr: Label 'There is no order or quote with the id %1 to add the note to.', Comment = '%1 is a GUID';
        OtherDocumentErr: Label 'A note stays with its document.';

    trigger OnOpenPage()
    begin
        // The table holds the links of all companies.
        Rec.SetRange(Company, CompanyName());
    end;

    trigger OnAfterGetRecord()
    begin
        ShowCalculated();
    end;

    trigger OnInsertRecord(BelowxRec: Boolean): Boolean
    var
        SalesHeader: Record "Sales Header";
    begin
        if not SalesHeader.GetBySystemId(DocumentId) then
            Error(NoDocumentErr, DocumentId);
        Rec."Record ID" := SalesHeader.RecordId();
        Rec.Type := Rec.Type::Note;
        Rec.Company := CopyStr(CompanyName(), 1, MaxStrLen(Rec.Company));
        Rec.Created := CurrentDateTime();
        Rec."User ID" := CopyStr(UserId(), 1, MaxStrLen(Rec."User ID"));
        WriteText();
        // The caller chooses the id, so that a repeated request meets the record of the first one.
        Rec.Insert(true, not IsNullGuid(Rec.SystemId));
        ShowCalculated();
        exit(false);
    end;

    trigger OnModifyRecord(): Boolean
    begin
        if DocumentId <> DocumentOf(Rec) then
            Error(OtherDocumentErr);
        WriteText();
        exit(true);
    end;

    local procedure WriteText()
    var
        RecordLinkManagement: Codeunit "Record Link Management";
    begin
        if TextIsGiven then
            RecordLinkManagement.WriteNote(Rec, NoteText);
    end;

    local procedure ShowCalculated()
    var
        RecordLinkManagement: Codeunit "Record Link Management";
    begin
        DocumentId := DocumentOf(Rec);
        Rec.CalcFields(Note);
        NoteText := RecordLinkManagement.ReadNote(Rec);
        TextIsGiven := false;
    end;

    // Links of anything else, or of a document that is gone, have no document.
    local procedure DocumentOf(RecordLink: Record "Record Link"): Guid
    var
        SalesHeader: Record "Sales Header";
        NoDocument: Guid;
    begin
        DocumentType := DocumentType::" ";
        if RecordLink."Record ID".TableNo() <> Database::"Sales Header" then
            exit(NoDocument);
        if not SalesHeader.Get(RecordLink."Record ID") then
            exit(NoDocument);
        case SalesHeader."Document Type" of
            SalesHeader."Document Type"::Quote:
                DocumentType := DocumentType::Quote;
            SalesHeader."Document Type"::Order:
                DocumentType := DocumentType::Order;
            else
                exit(NoDocument);
        end;
        exit(SalesHeader.SystemId);
    end;
}
