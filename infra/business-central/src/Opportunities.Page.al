// Opportunity records for synchronization.
page 50114 "Couplet Opportunities"
{
    PageType = API;
    Caption = 'Opportunities', Locked = true;
    APIPublisher = 'couplet';
    APIGroup = 'sync';
    APIVersion = 'v1.0';
    EntityName = 'opportunity';
    EntitySetName = 'opportunities';
    SourceTable = Opportunity;
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
                field(contactNumber; Rec."Contact No.")
                {
                    Caption = 'Contact Number';
                }
                field(salespersonCode; Rec."Salesperson Code")
                {
                    Caption = 'Salesperson Code';
                }
                field(description; Rec.Description)
                {
                    Caption = 'Description';
                }
                field(status; Rec.Status)
                {
                    Caption = 'Status';
                    Editable = false;
                }
                field(dateClosed; Rec."Date Closed")
                {
                    Caption = 'Date Closed';
                    Editable = false;
                }
                field(calculatedCurrentValue; Rec."Calcd. Current Value (LCY)")
                {
                    Caption = 'Calculated Current Value';
                    Editable = false;
                }
                field(estimatedClosingDate; Rec."Estimated Closing Date")
                {
                    Caption = 'Estimated Closing Date';
                    Editable = false;
                }
                field(estimatedValue; Rec."Estimated Value (LCY)")
                {
                    Caption = 'Estimated Value';
                    Editable = false;
                }
                field(lastModifiedDateTime; Rec.SystemModifiedAt)
                {
                    Caption = 'Last Modified Date Time';
                    Editable = false;
                }
                field(contactCompanyNo; Rec."Contact Company No.")
                {
                    Caption = 'Contact Company No';
                }
                field(customerNumber; CustomerNumber)
                {
                    Caption = 'Customer Number';
                    Editable = false;
                }
                field(vendorNumber; VendorNumber)
                {
                    Caption = 'Vendor Number';
                    Editable = false;
                }
            }
        }
    }

    var
        CustomerNumber: Code[20];
        VendorNumber: Code[20];

    trigger OnAfterGetRecord()
    begin
        CustomerNumber := RelatedTo(Rec."Contact Company No.", "Contact Business Relation Link To Table"::Customer);
        VendorNumber := RelatedTo(Rec."Contact Company No.", "Contact Business Relation Link To Table"::Vendor);
    end;

    trigger OnInsertRecord(BelowxRec: Boolean): Boolean
    begin
        // The caller chooses the id, so that a repeated request meets the record of the first one.
        Rec.Insert(true, not IsNullGuid(Rec.SystemId));
        exit(false);
    end;

    /// <summary>Closes the opportunity as won. It needs a contact whose company is a customer.</summary>
    [ServiceEnabled]
    procedure closeAsWon(var ActionContext: WebServiceActionContext)
    begin
        Close("Opportunity Action Taken"::Won, 100);
        Answer(ActionContext);
    end;

    /// <summary>Closes the opportunity as lost.</summary>
    [ServiceEnabled]
    procedure closeAsLost(var ActionContext: WebServiceActionContext)
    begin
        Close("Opportunity Action Taken"::Lost, 0);
        Answer(ActionContext);
    end;

    local procedure Close(ActionTaken: Enum "Opportunity Action Taken"; Chances: Decimal)
    var
        ClosingEntry: Record "Opportunity Entry";
        Current: Record "Opportunity Entry";
    begin
        Rec.TestField(Closed, false);
        ClosingEntry.InitOpportunityEntry(Rec);
        // The figures of the stage that the opportunity ends in stay with it.
        Current.SetRange("Opportunity No.", Rec."No.");
        Current.SetRange(Active, true);
        if Current.FindFirst() then begin
            ClosingEntry."Sales Cycle Stage" := Current."Sales Cycle Stage";
            ClosingEntry."Estimated Value (LCY)" := Current."Estimated Value (LCY)";
            if ActionTaken = ActionTaken::Won then
                ClosingEntry."Calcd. Current Value (LCY)" := Current."Estimated Value (LCY)";
        end;
        ClosingEntry."Date of Change" := WorkDate();
        ClosingEntry."Action Taken" := ActionTaken;
        ClosingEntry."Completed %" := 100;
        ClosingEntry."Chances of Success %" := Chances;
        ClosingEntry."Probability %" := Chances;
        ClosingEntry.InsertEntry(ClosingEntry, true, false);
        Rec.Find();
    end;

    local procedure Answer(var ActionContext: WebServiceActionContext)
    begin
        ActionContext.SetObjectType(ObjectType::Page);
        ActionContext.SetObjectId(Page::"Couplet Opportunities");
        ActionContext.AddEntityKey(Rec.FieldNo(SystemId), Rec.SystemId);
        ActionContext.SetResultCode(WebServiceActionResultCode::Updated);
    end;

    local procedure RelatedTo(CompanyNo: Code[20]; LinkToTable: Enum "Contact Business Relation Link To Table"): Code[20]
    var
        Relation: Record "Contact Business Relation";
    begin
        if CompanyNo = '' then
            exit('');
        Relation.SetLoadFields("No.");
        Relation.SetRange("Contact No.", CompanyNo);
        Relation.SetRange("Link to Table", LinkToTable);
        if Relation.FindFirst() then
            exit(Relation."No.");
        exit('');
    end;
}
