//! The fuzz target of what Azure answers, on its seeds and a few thousand mutations (`make fuzz` searches further).

#[path = "../../../fuzz/src/targets/azure_answers.rs"]
mod azure_answers;
#[path = "../../../fuzz/src/smoke.rs"]
mod smoke;

#[test]
fn answers_of_durable_functions_and_resource_manager() {
    smoke::smoke(azure_answers::run, &azure_answers::seeds());
}
