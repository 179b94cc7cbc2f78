//! Private services, for real: they start, survive a kill, keep what they should, and leave
//! nothing behind.

#[cfg(test)]
mod services {
    use std::{path::Path, time::Instant};

    use xtask::{
        interrupt::Interrupt,
        ports,
        process::stop_below,
        services::{Durability, External, Home, Install, Plan, Services, remove_data},
    };

    fn start(home: &Home) -> Services {
        let plan =
            Plan { durability: Durability::Fast, external: External::default(), install: Install::Never };
        Services::start(home, &plan, &Interrupt::never(), &|line| println!("{line}")).unwrap()
    }

    /// A folder that goes away with what was put elsewhere for it.
    struct Folder(tempfile::TempDir);

    impl Folder {
        fn path(&self) -> &Path {
            self.0.path()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            remove_data(self.path()).unwrap();
        }
    }

    #[test]
    fn services_start_survive_a_kill_and_leave_nothing_behind() {
        let folder = Folder(tempfile::tempdir().unwrap());
        let home = Home::open(folder.path()).unwrap();
        let services = start(&home);
        let (postgres, redis, rabbit) = (
            services.postgres.as_ref().unwrap().port(),
            services.redis.as_ref().unwrap().port(),
            services.rabbit.as_ref().unwrap().port(),
        );
        services.postgres.as_ref().unwrap().create_database("kept").unwrap();
        let pids = [
            services.postgres.as_ref().unwrap().process().identity().clone(),
            services.redis.as_ref().unwrap().process().identity().clone(),
            services.rabbit.as_ref().unwrap().process().identity().clone(),
        ];

        // As if this command had been killed: nobody ended anything, the next one finds it.
        std::mem::forget(home);
        assert_eq!(stop_below(folder.path()).unwrap().len(), 4, "three servers and epmd");
        assert!(pids.iter().all(|pid| !pid.is_alive()));
        assert!([postgres, redis, rabbit].into_iter().all(ports::is_free));

        let home = Home::open(folder.path()).unwrap();
        let began = Instant::now();
        let mut services = start(&home);
        println!("second start: {:?}", began.elapsed());
        assert_eq!(services.postgres_url("kept"), format!("postgres://postgres@127.0.0.1:{postgres}/kept"));
        assert_eq!(services.redis_url(), format!("redis://127.0.0.1:{redis}"));
        assert_eq!(services.rabbit_url(), format!("amqp://guest:guest@127.0.0.1:{rabbit}/%2f"));

        let server = services.postgres.as_mut().unwrap();
        server.process().kill().unwrap();
        server.restart(&home).unwrap();
        server.create_database("kept").unwrap();
        let server = services.redis.as_mut().unwrap();
        server.process().kill().unwrap();
        server.restart(&home).unwrap();
        let server = services.rabbit.as_mut().unwrap();
        server.process().kill().unwrap();
        server.restart(&home).unwrap();

        assert_eq!(home.first_dead(), None);
        home.stop_all().unwrap();
        assert!([postgres, redis, rabbit].into_iter().all(ports::is_free));
    }
}
