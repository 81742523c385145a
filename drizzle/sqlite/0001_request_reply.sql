CREATE TABLE `file_refs` (
	`file_id` text NOT NULL,
	`job_id` text NOT NULL,
	PRIMARY KEY(`file_id`, `job_id`)
);
--> statement-breakpoint
CREATE INDEX `file_refs_by_job` ON `file_refs` (`job_id`);--> statement-breakpoint
CREATE TABLE `job_events` (
	`job_id` text NOT NULL,
	`seq` integer NOT NULL,
	`progress` integer NOT NULL,
	`message` text,
	`at` integer NOT NULL,
	PRIMARY KEY(`job_id`, `seq`)
);
--> statement-breakpoint
CREATE TABLE `type_stats` (
	`type` text PRIMARY KEY NOT NULL,
	`mean_run_ms` real NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
ALTER TABLE `jobs` ADD `suspended_until` integer;--> statement-breakpoint
ALTER TABLE `jobs` ADD `expiry_due_at` integer;--> statement-breakpoint
ALTER TABLE `jobs` ADD `expiring_at` integer;--> statement-breakpoint
ALTER TABLE `jobs` ADD `expired_at` integer;--> statement-breakpoint
CREATE INDEX `jobs_position` ON `jobs` (`type`,`priority`,`due_at`,`id`) WHERE queue = 'ready';--> statement-breakpoint
CREATE INDEX `jobs_suspended` ON `jobs` (`suspended_until`) WHERE suspended_until is not null;--> statement-breakpoint
CREATE INDEX `jobs_expiry` ON `jobs` (`expiry_due_at`) WHERE expiry_due_at is not null;--> statement-breakpoint
CREATE INDEX `jobs_retention` ON `jobs` (`expired_at`) WHERE expired_at is not null;--> statement-breakpoint
CREATE INDEX `deliveries_finished` ON `deliveries` (`finished_at`) WHERE finished_at is not null;--> statement-breakpoint
CREATE INDEX `deliveries_by_event` ON `deliveries` (`event_id`);--> statement-breakpoint
CREATE INDEX `files_uploaded` ON `files` (`created_at`) WHERE job_id is null;