from sfumato.reproduce import audit_adds
from sfumato.reproduce.erasers_leaderboard import RAW

SECTIONS = {"ATTACKERS", "PRICE", "GIVEN", "GROUPS", "LINKS"}


def test_every_part_of_the_audit_is_told_of_every_eraser(measured):
    cells = {(r.section, r.name): r.cells for r in measured("audit-adds").findings.rows}
    for section in (getattr(audit_adds, name) for name in SECTIONS):
        found = {name for where, name in cells if where == section}
        # Groups of few people are left out; a draw may have no other.
        assert found == set(audit_adds.LINKED) or (section == audit_adds.GROUPS and not found)
    price = cells[audit_adds.PRICE, "barycentre"]
    ratio = price["EER"].mean / price["EER, floor"].mean
    assert abs(ratio - price["EER / floor"].mean) < 1e-9
    # Smiles were drawn with gender, so they tell of it; people alike in them still differ.
    given = cells[audit_adds.GIVEN, RAW]
    assert given["labels alone"].mean > 0.65
    assert given["among people alike"].mean > 0.7
    links = cells[audit_adds.LINKS, "leace"]
    assert links["D_sys, same photo"].mean > 0.5 > links["stranger"].mean


def test_raw_templates_have_no_reversal_and_nine_attackers_leave_out_two(measured):
    rows = {(r.section, r.name): r.cells for r in measured("audit-adds").findings.rows}
    assert "restored" not in rows[audit_adds.LINKS, RAW]
    attackers = rows[audit_adds.ATTACKERS, "leace"]
    assert attackers["nine"].mean == attackers["strongest"].mean  # Quick has none of the two.
