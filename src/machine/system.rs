//! Processors and memory, from the operating system.

use std::time::Instant;

use sysinfo::{MINIMUM_CPU_UPDATE_INTERVAL, MemoryRefreshKind};

use super::SystemMetrics;

pub(super) struct System {
    system: sysinfo::System,
    asked: Instant,
}

impl System {
    /// `None` where the system does not tell.
    pub(super) fn open() -> Option<Self> {
        let mut system = sysinfo::System::new();
        // The first look only says where the counters start.
        system.refresh_cpu_usage();
        Some(System { system, asked: Instant::now() })
    }

    /// `None` before enough time has passed for a utilization.
    pub(super) fn sample(&mut self) -> Option<SystemMetrics> {
        if self.asked.elapsed() < MINIMUM_CPU_UPDATE_INTERVAL {
            return None;
        }
        self.system.refresh_cpu_usage();
        self.system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        self.asked = Instant::now();
        Some(SystemMetrics {
            cpu_utilization_percent: f64::from(self.system.global_cpu_usage()),
            memory_used_mb: self.system.used_memory() as f64 / 1e6,
        })
    }
}
