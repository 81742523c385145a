CREATE TABLE `workers` (
	`id` text PRIMARY KEY NOT NULL,
	`beats` integer NOT NULL,
	`started_at` integer NOT NULL,
	`beat_at` integer NOT NULL,
	`clock_ahead_ms` integer NOT NULL
);
--> statement-breakpoint
DROP INDEX `jobs_ready`;--> statement-breakpoint
CREATE INDEX `jobs_ready` ON `jobs` (`type`,`tenant_id`,`priority`,`due_at`,`id`) WHERE queue = 'ready';