//! Files of rules: what is right is read, what is wrong is said with its place and a remedy, nothing panics.

use ringscope::alert::Rules;

#[test]
fn an_empty_file_has_no_rules_and_ready_made_ones_come_by_a_word() {
    assert!(Rules::from_toml("").unwrap().is_empty());
    let all = Rules::from_toml("ready_made = true\n[[rule]]\nkind = \"stalled\"\n").unwrap();
    assert_eq!(all.iter().count(), Rules::ready_made().iter().count() + 1);
}
