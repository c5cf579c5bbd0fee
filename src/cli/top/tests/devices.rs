//! Kernels on several devices.

use std::sync::Arc;

use ringscope::feed::Moment;

use super::{FULL, fixed, frame, noon};
use crate::cli::term::sample::on_two_devices;
use crate::cli::top::state::action::Action;
use crate::cli::top::state::app::App;
use crate::cli::top::state::link::{Kind, Origin};
use crate::cli::top::state::page::Page;
use crate::cli::top::state::table::Column;

#[test]
fn several_devices_are_a_column_that_the_table_can_be_sorted_by() {
    let mut app = App::new(Origin::new(Kind::Workload, "a test"), noon());
    app.push(Arc::new(Moment::of_snapshot(on_two_devices())));
    let line = |app: &App, size, of: &str| {
        let shown = frame(app, FULL, size);
        shown.lines().find(|line| line.contains(of)).unwrap_or_else(|| panic!("no {of}: {shown}")).to_owned()
    };
    assert!(line(&app, (100, 24), "3 kernels").contains("device"));
    assert!(
        line(&app, (100, 24), "worker_1").contains("1 host") && line(&app, (100, 24), "worker_0").contains("0 host")
    );
    assert!(!line(&app, (100, 24), "parser").contains("host"));
    assert!(!frame(&app, FULL, (40, 10)).contains("device"), "there is no room");
    app.page = Page::Kernel;
    app.kernel = Some("worker_1".into());
    assert!(line(&app, (100, 24), "device").contains("device 1 host"));
    app.table.sort_by(Column::Kernel);
    let names = |app: &App| app.rows().iter().map(|row| row.kernel.kernel_id.to_string()).collect::<Vec<_>>();
    app.page = Page::Kernels;
    app.apply(Action::SortFurther(1));
    assert_eq!(
        (app.table.by, names(&app)),
        (Column::Device, ["parser", "worker_0", "worker_1"].map(String::from).to_vec())
    );
    app.apply(Action::Reverse);
    assert_eq!(names(&app), ["worker_1", "worker_0", "parser"]);
    // With one device nobody gets there.
    let mut app = fixed();
    app.table.sort_by(Column::Kernel);
    app.apply(Action::SortFurther(1));
    assert_eq!(app.table.by, Column::State);
    assert!(!frame(&app, FULL, (120, 36)).contains("device"));
}
